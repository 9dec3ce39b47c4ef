import type { Bus } from '../bus.ts';
import type { Placement } from './placement.ts';

/** The bus, with each job that is published without a queue put where `placement` says. */
export const placedBus = (bus: Bus, placement: Placement): Bus => ({
  ...bus,
  jobs: { ...bus.jobs, publish: (job, queue = placement.queueFor(job)) => bus.jobs.publish(job, queue) },
});
