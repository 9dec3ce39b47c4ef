import type { Delivery } from '@sluice/bus';
import { passOn } from '@sluice/lifecycle';
import { pullUntil } from './pull-loop.ts';
import { WaitingJobs } from './waiting-jobs.ts';
import type { WaitingJobsDeps } from './waiting-jobs.ts';

/**
 * A pull is renewed after this long; a waiting job is delivered at once. Shorter than it takes to declare
 * a worker dead: the pull of one that hangs must not take the very job that is to replace it.
 */
const PULL_MS = 1_500;
/**
 * An idle worker renews its pulls so often at most, however many models it has: each costs it, and NATS, a turn. A work
 * queue allows no consumer over the models of one worker, since other workers share some of them.
 */
const PULLS_PER_SECOND = 30;
/** As long as one request to NATS may be. By then others have put what a worker that hangs was to run into their own queues. */
const LONGEST_PULL_MS = 10_000;

const pullMsOf = (models: number): number =>
  Math.min(LONGEST_PULL_MS, Math.max(PULL_MS, (models * 1_000) / PULLS_PER_SECOND));

export type JobLoopOptions = WaitingJobsDeps & {
  /** whether the worker's own queue is pulled too */
  readonly ownQueue: boolean;
};

export type JobLoops = {
  /** The queues of these models, and of no others, are pulled from now on. */
  offer(models: readonly string[]): void;
  /** To be called a few times a second. */
  tick(now: number): void;
  /** Passes on what waits, once `leaving` has aborted. */
  leave(): Promise<void>;
  /** To be called once nothing runs any more: leaves the own queue empty. */
  close(): Promise<void>;
};

/** Pulls the worker's own queue, and those of the models that it offers, until `leaving` aborts. */
export const startJobLoops = (options: JobLoopOptions, leaving: AbortSignal): JobLoops => {
  const { bus, worker, ownQueue, logger } = options;
  const closing = new AbortController();
  const waiting = new WaitingJobs(options);
  const pulled = { ...options, waiting };
  const shared: SharedQueues = new SharedQueues(
    (model, signal) => pullShared(model, { ...pulled, pullMs: () => pullMsOf(shared.size) }, signal),
    leaving,
  );
  const own = ownQueue ? pullOwn({ ...pulled, leaving }, closing.signal) : undefined;
  return {
    offer: (models) => shared.offer(models),
    tick: (now) => waiting.tick(now),
    leave: () => waiting.leave(),
    close: async () => {
      closing.abort();
      await Promise.all([shared.closed(), own]);
      if (!ownQueue) return;
      // What came last, and what was taken and not finished. If this fails a sweep of others finds it.
      await bus.jobs.adopt(worker).catch((error: unknown) => logger.warn('adoption_failed', { error }));
    },
  };
};

/** The loops over queues of models, one each. Models come and go. */
class SharedQueues {
  readonly #pull: (model: string, signal: AbortSignal) => Promise<void>;
  readonly #leaving: AbortSignal;
  readonly #pulled = new Map<string, AbortController>();
  readonly #unfinished = new Set<Promise<void>>();

  constructor(pull: (model: string, signal: AbortSignal) => Promise<void>, leaving: AbortSignal) {
    this.#pull = pull;
    this.#leaving = leaving;
    leaving.addEventListener('abort', () => this.offer([]), { once: true });
  }

  get size(): number {
    return this.#pulled.size;
  }

  offer(models: readonly string[]): void {
    const offered = new Set(this.#leaving.aborted ? [] : models);
    for (const [model, stop] of this.#pulled) {
      if (offered.has(model)) continue;
      this.#pulled.delete(model);
      stop.abort();
    }
    for (const model of offered) if (!this.#pulled.has(model)) this.#start(model);
  }

  /** Resolves when none of the loops that were stopped goes on. */
  async closed(): Promise<void> {
    await Promise.all(this.#unfinished);
  }

  #start(model: string): void {
    const stop = new AbortController();
    this.#pulled.set(model, stop);
    const loop = this.#pull(model, stop.signal).finally(() => this.#unfinished.delete(loop));
    this.#unfinished.add(loop);
  }
}

/** What is pulled goes to `waiting`. */
type Pulled = JobLoopOptions & { readonly waiting: WaitingJobs };
type SharedPull = Pulled & { readonly pullMs: () => number };

/**
 * Pulls also while there is no free slot, so that what is shared takes its turn among all that waits; but not where
 * another worker takes what it can run only: that one may be free sooner.
 */
const pullShared = (model: string, options: SharedPull, signal: AbortSignal): Promise<void> => {
  const { bus, slots, placement, waiting, pullMs } = options;
  let pulls = 0;
  const mayWait = (): boolean => !slots.isSuspended && !waiting.isFull && !placement.isShared(model);
  const pullOne = async (): Promise<Delivery | undefined> => {
    await slots.until(() => slots.free > 0 || mayWait(), signal);
    return bus.jobs.pull(model, pullMs(), signal);
  };
  const pull = async (): Promise<boolean> => {
    pulls += 1;
    const delivery = await pullOne().finally(() => (pulls -= 1));
    if (delivery === undefined) return false;
    if (signal.aborted || (slots.free <= 0 && !mayWait())) delivery.nak();
    else await waiting.add(delivery, 'any');
    return true;
  };
  // The pull that has just brought a job is about to wait again.
  const hasRoom = (): boolean => slots.free > pulls + 1 || (slots.free <= 0 && mayWait());
  return pullUntil({ ...options, pull, hasRoom }, signal);
};

/**
 * Pulls also while the worker leaves: a job that was placed here and cannot run is passed on to whoever is free, rather
 * than left to wait.
 */
const pullOwn = (options: Pulled & { readonly leaving: AbortSignal }, signal: AbortSignal): Promise<void> => {
  const { bus, worker, tally, waiting, leaving } = options;
  const pull = async (): Promise<boolean> => {
    const delivery = await bus.jobs.pullOwn(worker, PULL_MS, signal);
    if (delivery === undefined) return false;
    if (!leaving.aborted) {
      await waiting.add(delivery, 'own');
      return true;
    }
    await passOn(bus, delivery);
    tally.passedOn += 1;
    return true;
  };
  return pullUntil({ ...options, pull, hasRoom: () => true }, signal);
};
