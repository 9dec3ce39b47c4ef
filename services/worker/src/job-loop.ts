import type { Bus, Delivery } from '@sluice/bus';
import type { Clock, Logger } from '@sluice/runtime';
import type { Slots } from './slots.ts';

/**
 * A pull is renewed after this long; a waiting job is delivered at once. Shorter than it takes to declare
 * a worker dead: the pull of one that hangs must not take the very job that is to replace it.
 */
const PULL_MS = 1_500;
const FAILURE_PAUSE_MS = 500;

export type JobLoopOptions = {
  readonly bus: Bus;
  readonly model: string;
  readonly slots: Slots;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Runs one job to its end and releases the slot that was taken for it. Must not reject. */
  readonly run: (delivery: Delivery) => Promise<void>;
};

/**
 * Pulls jobs of one model while there are free slots, one at a time, until `signal` aborts. Loops of
 * several models share the slots, so a job may arrive after another model's took the last one: it goes
 * back at once for another worker.
 */
export const pullJobs = async (options: JobLoopOptions, signal: AbortSignal): Promise<void> => {
  const { bus, model, slots, clock, logger, run } = options;
  while (!signal.aborted) {
    await slots.available(signal);
    try {
      const delivery = await bus.jobs.pull(model, PULL_MS, signal);
      if (delivery === undefined) continue;
      if (signal.aborted || !slots.tryTake()) delivery.nak();
      else void run(delivery);
    } catch (error) {
      if (signal.aborted) return;
      logger.warn('job_pull_failed', { model, error });
      await new Promise<void>((resolve) => clock.setTimeout(resolve, FAILURE_PAUSE_MS));
    }
  }
};
