import { placeSession } from '@sluice/core';
import type { Seat } from '@sluice/core';
import { ANY_QUEUE } from '../job-queue.ts';
import type { Job } from '../job-queue.ts';
import type { WorkerBeat, WorkerInfo } from '../worker-directory.ts';

/**
 * Which queue a job goes to, by what its owner has last read of the directory. Only a guess: a worker
 * that is full passes its jobs on to one that is not, and the queue of one that died is adopted.
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

  /** One of them says what it runs, which is newer than the directory. */
  hear({ worker, running, isExtra = false }: WorkerBeat): void {
    const hear = (known: WorkerInfo): WorkerInfo => ({
      ...known,
      running: isExtra ? [...known.running, ...running] : running,
    });
    this.#workers = this.#workers.map((known) => (known.worker === worker ? hear(known) : known));
    // What was placed there since its last beat may be on its way: a worker is taken for full rather than for free.
    if (!isExtra) this.#placed.delete(worker);
  }

  /** Places nothing there any more, until it is learned again. */
  forget(worker: string): void {
    this.#workers = this.#workers.filter((known) => known.worker !== worker);
  }

  /**
   * The own queue of the worker that should have this job. If none has a free slot it waits with one where jobs take
   * turns, or in the shared queue where some worker pulls that one only.
   */
  queueFor(job: Job): string {
    const free = this.#place(job, this.#workers);
    if (free !== undefined) return free;
    if (this.isShared(job.model)) return ANY_QUEUE;
    const seats = this.#workers.filter(
      ({ ownQueue, models }) => ownQueue === true && models.includes(job.model),
    );
    return (
      placeSession(
        pathOf(job),
        seats.map(({ worker, slots }) => ({ worker, slots, load: 0 })),
      ) ?? ANY_QUEUE
    );
  }

  /** The queue that brings this job to a free slot of a worker other than this one; undefined: none is known. */
  queueElsewhere(job: Job, self: string): string | undefined {
    const others = this.#workers.filter(({ worker }) => worker !== self);
    const isFree = (other: WorkerInfo): boolean => this.#seatOf(other).load < other.slots;
    const takesShared = ({ ownQueue, models }: WorkerInfo): boolean =>
      ownQueue !== true && models.includes(job.model);
    return (
      this.#place(job, others) ??
      (others.some((other) => takesShared(other) && isFree(other)) ? ANY_QUEUE : undefined)
    );
  }

  /** Whether a worker offers this model that takes a job only when it can run: what is shared must wait for it too. */
  isShared(model: string): boolean {
    return this.#workers.some(({ sweeps, models }) => sweeps !== true && models.includes(model));
  }

  #place(job: Job, workers: readonly WorkerInfo[]): string | undefined {
    const seats = workers.filter(({ ownQueue, models }) => ownQueue === true && models.includes(job.model));
    const worker = placeSession(pathOf(job), seats.map(this.#seatOf));
    if (worker !== undefined) this.#placed.set(worker, this.#placedAt(worker) + 1);
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

const pathOf = ({ org, session }: Job): string => `${org}.${session}`;
