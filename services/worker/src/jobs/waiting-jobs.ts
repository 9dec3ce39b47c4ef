import { ANY_QUEUE } from '@sluice/bus';
import type { Bus, Delivery, Placement } from '@sluice/bus';
import { FairQueue } from '@sluice/core';
import type { Party } from '@sluice/core';
import { passOn } from '@sluice/lifecycle';
import type { Clock, Logger } from '@sluice/runtime';
import type { Slots } from './slots.ts';
import type { WorkerTally } from '../tally/worker-tally.ts';

/** Jobs that wait here at most; more stay in the queues. */
const MAX_WAITING = 4_096;
/** The redelivery of what waits is put off this often; the ack wait is three times as long, ms. */
const WORKING_MS = 10_000;
/** Between two jobs that are offered to workers without a queue of their own, ms: how many those take is not known. */
const OFFER_MS = 1_000;
/** A job that could not be passed on comes again after this long, ms. */
const RETRY_MS = 1_000;
/** What a slot is worth in which nothing is said, as while a prompt is read or a run is held, ms a token. */
const TOKEN_MS = 50;
/** Jobs passed on at a time, when all of them are. */
const PASSED_AT_ONCE = 16;

type QueueName = 'own' | 'any';
type Arrival = { readonly queue: QueueName; readonly delivery: Delivery };
/** A job may have come from both queues. */
type WaitingJob = Party & { readonly path: string; first: Arrival; copy?: Arrival };

/** The slot is free; may be told more than once. @param tokens how many were made in it */
export type Release = (tokens: number) => void;

export type Runner = {
  /** Runs one job to its end. Must not reject. */
  run(delivery: Delivery, release: Release): Promise<void>;
  /** Frees a slot, if a run may make room. @param aheadOf how many more slots its party has than the one that waits */
  makeRoom(aheadOf: (party: Party) => number): void;
};

export type WaitingJobsDeps = {
  readonly bus: Bus;
  readonly worker: string;
  readonly slots: Slots;
  readonly placement: Placement;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tally: Pick<WorkerTally, 'jobs' | 'passedOn'>;
  readonly runner: Runner;
};

/**
 * The jobs that this worker has and cannot run yet. When a slot is free the next one is by org, and by user within an
 * org, not by arrival. A worker with a free slot gets what waits here.
 */
export class WaitingJobs {
  readonly #deps: WaitingJobsDeps;
  readonly #queue = new FairQueue<WaitingJob>();
  readonly #byPath = new Map<string, WaitingJob>();
  #workingAt = -Infinity;
  #offeredAt = -Infinity;

  constructor(deps: WaitingJobsDeps) {
    this.#deps = deps;
    deps.slots.onFree = () => this.#fill();
  }

  get size(): number {
    return this.#queue.size;
  }

  get isFull(): boolean {
    return this.#queue.size >= MAX_WAITING;
  }

  /** Runs a job now, or when it is its turn, or leaves it to another worker. */
  async add(delivery: Delivery, queue: QueueName): Promise<void> {
    const { slots, placement, worker } = this.#deps;
    if (slots.isSuspended || this.isFull) return this.#pass([{ delivery, queue }], ANY_QUEUE);
    const job = this.#put({ delivery, queue });
    this.#fill();
    if (!this.#byPath.has(job.path)) return;
    const elsewhere = placement.queueElsewhere(delivery.job, worker);
    // Back in the shared queue it might come here again at once: those are offered less often.
    if (elsewhere === undefined || elsewhere === ANY_QUEUE) return this.#makeRoom();
    await this.#passOn(job, elsewhere);
  }

  /** To be called a few times a second. */
  tick(now: number): void {
    if (this.size === 0) return;
    if (this.#deps.slots.isSuspended) return void this.leave();
    this.#makeRoom();
    void this.#offer(now);
    if (now - this.#workingAt < WORKING_MS) return;
    this.#workingAt = now;
    for (const job of this.#queue.entries()) for (const { delivery } of arrivalsOf(job)) delivery.working();
  }

  /** Passes on all that waits. */
  async leave(): Promise<void> {
    const lane = async (): Promise<void> => {
      for (let next = this.#queue.peek(); next !== undefined; next = this.#queue.peek())
        await this.#passOn(next, ANY_QUEUE);
    };
    await Promise.all(Array.from({ length: PASSED_AT_ONCE }, lane));
  }

  /** One that waits already came from the other queue too, or once more from the same. */
  #put(arrival: Arrival): WaitingJob {
    const { org, session, generation, attempt, user = '' } = arrival.delivery.job;
    const path = `${org}.${session}.${generation}.${attempt}`;
    const known = this.#byPath.get(path);
    if (known?.first.queue === arrival.queue) known.first = arrival;
    else if (known !== undefined) known.copy = arrival;
    if (known !== undefined) return known;
    const job: WaitingJob = { org, user, path, first: arrival };
    this.#byPath.set(path, job);
    this.#queue.push(job);
    return job;
  }

  #remove(job: WaitingJob): void {
    this.#queue.remove(job);
    this.#byPath.delete(job.path);
  }

  #fill(): void {
    const { slots } = this.#deps;
    for (let next = this.#queue.peek(); next !== undefined && slots.tryTake(); next = this.#queue.peek()) {
      this.#remove(next);
      this.#start(next);
    }
  }

  #start(job: WaitingJob): void {
    const { slots, clock, tally, runner } = this.#deps;
    const since = clock.now();
    this.#queue.take(job);
    tally.jobs.add(job.first.queue);
    void job.copy?.delivery.ack();
    let isReleased = false;
    const release: Release = (tokens) => {
      if (isReleased) return;
      isReleased = true;
      this.#queue.giveBack(job, tokens + (clock.now() - since) / TOKEN_MS);
      slots.release();
    };
    void runner.run(job.first.delivery, release).finally(() => release(0));
  }

  #makeRoom(): void {
    const { slots, runner } = this.#deps;
    const next = this.#queue.peek();
    if (next === undefined || slots.free > 0 || slots.isSuspended) return;
    const has = this.#queue.holds(next);
    runner.makeRoom((party) => {
      const { org, user } = this.#queue.holds(party);
      return party.org === next.org ? user - has.user : org - has.org;
    });
  }

  /** Gives what waits to workers that have become free. */
  async #offer(now: number): Promise<void> {
    const { placement, worker } = this.#deps;
    for (let next = this.#queue.peek(); next !== undefined; next = this.#queue.peek()) {
      const elsewhere = placement.queueElsewhere(next.first.delivery.job, worker);
      if (elsewhere === undefined) return;
      if (elsewhere === ANY_QUEUE) {
        if (now - this.#offeredAt < OFFER_MS) return;
        this.#offeredAt = now;
      }
      await this.#passOn(next, elsewhere);
    }
  }

  #passOn(job: WaitingJob, queue: string): Promise<void> {
    this.#remove(job);
    return this.#pass(arrivalsOf(job), queue);
  }

  async #pass(arrivals: readonly Arrival[], queue: string): Promise<void> {
    const { bus, tally, logger } = this.#deps;
    tally.passedOn += 1;
    for (const { delivery, queue: from } of arrivals) {
      try {
        // The queue it came from would not take it again, and an ack would then take it off.
        if (from === 'any' && queue === ANY_QUEUE) delivery.nak();
        else await passOn(bus, delivery, queue);
      } catch (error) {
        delivery.nak(RETRY_MS);
        logger.warn('pass_on_failed', { error });
      }
    }
  }
}

const arrivalsOf = ({ first, copy }: WaitingJob): Arrival[] => (copy === undefined ? [first] : [first, copy]);
