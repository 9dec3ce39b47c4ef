import { ANY_QUEUE } from '@sluice/bus';
import type { Bus, RunningGeneration } from '@sluice/bus';
import { adopt, dueEnd, spend } from '@sluice/core';
import type { StoredGeneration } from '@sluice/core';
import type { GenerationKey } from '@sluice/protocol';
import { seqOf } from './claim.ts';
import { endedItem } from './end.ts';
import { changeItem } from './item-change.ts';
import type { LifeContext } from './item-change.ts';
import { queueJob } from './job.ts';
import { leftBehind } from './ledger.ts';

/**
 * Queues a run of a dead worker again, or ends it when it was cancelled or has cost enough workers. Any number of workers may do this:
 * one compare-and-set wins.
 * @param dead the worker's name
 * @returns the item as it is now; undefined: somebody else has it by now
 * @throws BusUnavailableError
 */
export const adoptGeneration = async (
  context: LifeContext,
  run: RunningGeneration,
  dead: string,
): Promise<StoredGeneration | undefined> => {
  const { bus, clock } = context;
  const { org, session, generation, attempt } = run;
  const key: GenerationKey = { org, session, generation };
  const item = await changeItem(bus, key, async (found) => {
    const free = await freedItem(bus, key, found, { attempt, dead });
    if (free === undefined || free === found) return free;
    // It may have died between the end in the log and the item.
    const head = await bus.tokens.head(key);
    if (head?.record.end !== undefined) return endedItem(context, key, found, head.record.end);
    const end = dueEnd(free, clock.now());
    return end === undefined ? free : endedItem(context, key, free, end);
  });
  if (item?.status === 'queued') await queueJob(bus, key, item, ANY_QUEUE);
  return item;
};

/** The item after its worker's death; undefined when somebody has it by now. */
const freedItem = async (
  bus: Bus,
  key: GenerationKey,
  item: StoredGeneration,
  { attempt, dead }: { readonly attempt: number; readonly dead: string },
): Promise<StoredGeneration | undefined> => {
  if (item.status === 'queued') {
    if (item.attempt === attempt - 1) return spend(item);
    // Adopted by a try whose answer was lost, or by another worker: its job may be missing.
    return item.attempt === attempt ? item : undefined;
  }
  if (item.worker !== dead || item.attempt !== attempt) return undefined;
  const head = await bus.tokens.head(key);
  return adopt(leftBehind(item, head), seqOf(head));
};
