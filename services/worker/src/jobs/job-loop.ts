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

export type JobLoopOptions = WaitingJobsDeps & {
  readonly models: readonly string[];
  /** whether the worker's own queue is pulled too */
  readonly ownQueue: boolean;
};

export type JobLoops = {
  /** To be called a few times a second. */
  tick(now: number): void;
  /** Passes on what waits, once `leaving` has aborted. */
  leave(): Promise<void>;
  /** To be called once nothing runs any more: leaves the own queue empty. */
  close(): Promise<void>;
};

/** Pulls the queues of these models, and the worker's own, until `leaving` aborts. */
export const startJobLoops = (options: JobLoopOptions, leaving: AbortSignal): JobLoops => {
  const { bus, models, worker, ownQueue, logger } = options;
  const closing = new AbortController();
  const waiting = new WaitingJobs(options);
  const pulled = { ...options, waiting };
  const shared = models.map((model) => pullShared(model, pulled, leaving));
  const own = ownQueue ? pullOwn({ ...pulled, leaving }, closing.signal) : undefined;
  return {
    tick: (now) => waiting.tick(now),
    leave: () => waiting.leave(),
    close: async () => {
      closing.abort();
      await Promise.all([...shared, own]);
      if (!ownQueue) return;
      // What came last, and what was taken and not finished. If this fails a sweep of others finds it.
      await bus.jobs.adopt(worker).catch((error: unknown) => logger.warn('adoption_failed', { error }));
    },
  };
};

/** What is pulled goes to `waiting`. */
type Pulled = JobLoopOptions & { readonly waiting: WaitingJobs };

/**
 * Pulls also while there is no free slot, so that what is shared takes its turn among all that waits; but not where
 * another worker takes what it can run only: that one may be free sooner.
 */
const pullShared = (model: string, options: Pulled, signal: AbortSignal): Promise<void> => {
  const { bus, slots, placement, waiting } = options;
  let pulls = 0;
  const mayWait = (): boolean => !slots.isSuspended && !waiting.isFull && !placement.isShared(model);
  const pullOne = async (): Promise<Delivery | undefined> => {
    await slots.until(() => slots.free > 0 || mayWait(), signal);
    return bus.jobs.pull(model, PULL_MS, signal);
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
