import type { Bus, Delivery } from '@sluice/bus';
import { passOn } from '@sluice/lifecycle';
import type { Clock, Logger } from '@sluice/runtime';
import { pullUntil } from './pull-loop.ts';
import type { Slots } from './slots.ts';
import type { WorkerTally } from '../tally/worker-tally.ts';

/**
 * A pull is renewed after this long; a waiting job is delivered at once. Shorter than it takes to declare
 * a worker dead: the pull of one that hangs must not take the very job that is to replace it.
 */
const PULL_MS = 1_500;

export type JobLoopOptions = {
  readonly bus: Bus;
  readonly models: readonly string[];
  /** whose own queue is pulled; undefined: only what is shared */
  readonly owner: string | undefined;
  readonly slots: Slots;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tally: Pick<WorkerTally, 'jobs' | 'passedOn'>;
  /** Runs one job to its end and releases the slot that was taken for it. Must not reject. */
  readonly run: (delivery: Delivery) => Promise<void>;
};

export type JobLoops = {
  /** To be called after `leaving` and once nothing runs any more: leaves the own queue empty. */
  close(): Promise<void>;
};

/** Pulls the queues of these models, and the worker's own, until `leaving` aborts. */
export const startJobLoops = (options: JobLoopOptions, leaving: AbortSignal): JobLoops => {
  const { bus, models, owner, logger } = options;
  const closing = new AbortController();
  const shared = models.map((model) => pullShared(model, options, leaving));
  const own = owner === undefined ? undefined : pullOwn(owner, { ...options, leaving }, closing.signal);
  return {
    close: async () => {
      closing.abort();
      await Promise.all([...shared, own]);
      if (owner === undefined) return;
      // What came last, and what was taken and not finished. If this fails a sweep of others finds it.
      await bus.jobs.adopt(owner).catch((error: unknown) => logger.warn('adoption_failed', { error }));
    },
  };
};

/**
 * Pulls only while there are free slots. Other queues share the slots, so a job may arrive after another took the last
 * one: it goes back at once for another worker.
 */
const pullShared = (model: string, options: JobLoopOptions, signal: AbortSignal): Promise<void> => {
  const { bus, slots, tally, run } = options;
  let waiting = 0;
  const pullOne = async (): Promise<Delivery | undefined> => {
    await slots.available(signal);
    return bus.jobs.pull(model, PULL_MS, signal);
  };
  const pull = async (): Promise<boolean> => {
    waiting += 1;
    const delivery = await pullOne().finally(() => (waiting -= 1));
    if (delivery === undefined) return false;
    if (signal.aborted || !slots.tryTake()) delivery.nak();
    else {
      tally.jobs.add('any');
      void run(delivery);
    }
    return true;
  };
  // The pull that has just brought a job is about to wait again.
  return pullUntil({ ...options, pull, hasRoom: () => slots.free > waiting + 1 }, signal);
};

/**
 * Pulls also while there is no free slot, and while the worker leaves: a job that was placed here and
 * cannot run is passed on to whoever is free, rather than left to wait.
 */
const pullOwn = (
  owner: string,
  options: JobLoopOptions & { readonly leaving: AbortSignal },
  signal: AbortSignal,
): Promise<void> => {
  const { bus, slots, tally, run, leaving } = options;
  const pull = async (): Promise<boolean> => {
    const delivery = await bus.jobs.pullOwn(owner, PULL_MS, signal);
    if (delivery === undefined) return false;
    if (!leaving.aborted && slots.tryTake()) {
      tally.jobs.add('own');
      void run(delivery);
      return true;
    }
    await passOn(bus, delivery);
    tally.passedOn += 1;
    return true;
  };
  return pullUntil({ ...options, pull, hasRoom: () => true }, signal);
};
