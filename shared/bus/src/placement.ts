import { placeSession } from '@sluice/core';
import type { Seat } from '@sluice/core';
import { ANY_QUEUE } from './job-queue.ts';
import type { Job } from './job-queue.ts';
import type { WorkerInfo } from './worker-directory.ts';

/**
 * Which queue a job goes to, by what its owner has last read of the directory. Only a guess: a worker
 * that is full passes its jobs on, and the queue of one that died is adopted.
 */
export class Placement {
  #workers: readonly WorkerInfo[] = [];
  /** jobs placed since the workers were learned, by worker */
  readonly #placed = new Map<string, number>();

  /** Replaces what is known of live workers. */
  learn(workers: readonly WorkerInfo[]): void {
    this.#workers = workers;
    this.#placed.clear();
  }

  /** Places nothing there any more, until it is learned again. */
  forget(worker: string): void {
    this.#workers = this.#workers.filter((known) => known.worker !== worker);
  }

  /** The own queue of the worker that should have this job, or the shared one. */
  queueFor({ org, session, model }: Job): string {
    const seats = this.#workers.filter(({ ownQueue, models }) => ownQueue === true && models.includes(model));
    const worker = placeSession(`${org}.${session}`, seats.map(this.#seatOf));
    if (worker === undefined) return ANY_QUEUE;
    this.#placed.set(worker, this.#placedAt(worker) + 1);
    return worker;
  }

  readonly #seatOf = ({ worker, slots, running }: WorkerInfo): Seat => ({
    worker,
    slots,
    load: running.length + this.#placedAt(worker),
  });

  #placedAt(worker: string): number {
    return this.#placed.get(worker) ?? 0;
  }
}
