import { ANY_QUEUE } from '@sluice/bus';
import type { Bus, Delivery } from '@sluice/bus';
import type { Clock, Logger } from '@sluice/runtime';
import type { WorkerMetrics } from './metrics.ts';
import type { Slots } from './slots.ts';

/**
 * A pull is renewed after this long; a waiting job is delivered at once. Shorter than it takes to declare
 * a worker dead: the pull of one that hangs must not take the very job that is to replace it.
 */
const PULL_MS = 1_500;
const FAILURE_PAUSE_MS = 500;

export type JobLoopOptions = {
  readonly bus: Bus;
  readonly models: readonly string[];
  /** whose own queue is pulled; undefined: only what is shared */
  readonly owner: string | undefined;
  readonly slots: Slots;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: WorkerMetrics;
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
 * Pulls one job at a time while there are free slots. Other loops share the slots, so a job may arrive
 * after another took the last one: it goes back at once for another worker.
 */
const pullShared = (model: string, options: JobLoopOptions, signal: AbortSignal): Promise<void> => {
  const { bus, slots, metrics, run } = options;
  const next = async (): Promise<void> => {
    await slots.available(signal);
    const delivery = await bus.jobs.pull(model, PULL_MS, signal);
    if (delivery === undefined) return;
    if (signal.aborted || !slots.tryTake()) return delivery.nak();
    metrics.jobs.inc({ queue: 'any' });
    void run(delivery);
  };
  return repeat(next, options, signal);
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
  const { bus, slots, metrics, run, leaving } = options;
  const next = async (): Promise<void> => {
    const delivery = await bus.jobs.pullOwn(owner, PULL_MS, signal);
    if (delivery === undefined) return;
    if (!leaving.aborted && slots.tryTake()) {
      metrics.jobs.inc({ queue: 'own' });
      void run(delivery);
      return;
    }
    // In this order: a job must never be in no queue.
    await bus.jobs.publish(delivery.job, ANY_QUEUE);
    await delivery.ack();
    metrics.passedOn.inc();
  };
  return repeat(next, options, signal);
};

const repeat = async (
  next: () => Promise<void>,
  { clock, logger }: JobLoopOptions,
  signal: AbortSignal,
): Promise<void> => {
  while (!signal.aborted) {
    try {
      await next();
    } catch (error) {
      if (signal.aborted) return;
      logger.warn('job_pull_failed', { error });
      await new Promise<void>((resolve) => clock.setTimeout(resolve, FAILURE_PAUSE_MS));
    }
  }
};
