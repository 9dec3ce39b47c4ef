import { dueEnd, requeue } from '@sluice/core';
import type { GenerationKey } from '@sluice/protocol';
import { endedItem } from './end.ts';
import { changeItem } from './item-change.ts';
import type { LifeContext } from './item-change.ts';
import { queueJob } from './job.ts';

/**
 * A viewer is back at a parked generation: queues it again, so that a worker continues from the same token, or ends it
 * when it was parked for too long, or is cancelled. Several edges may do this at once: one compare-and-set wins, and a
 * job more is skipped.
 * @throws BusUnavailableError
 */
export const reviveGeneration = async (context: LifeContext, key: GenerationKey): Promise<void> => {
  const { bus, clock } = context;
  const item = await changeItem(bus, key, (found) => {
    // Revived by a try whose answer was lost, or by another edge: a job too many is skipped.
    if (found.status === 'queued') return found;
    if (found.status !== 'parked') return undefined;
    const end = dueEnd(found, clock.now());
    return end === undefined ? requeue(found) : endedItem(context, key, found, end);
  });
  if (item?.status === 'queued') await queueJob(bus, key, item);
};
