import { ANY_QUEUE, endGeneration } from '@sluice/bus';
import type { Bus, RunningGeneration } from '@sluice/bus';
import { adopt, claim } from '@sluice/core';
import type { StoredGeneration } from '@sluice/core';
import type { GenerationKey } from '@sluice/protocol';
import type { Clock, Logger } from '@sluice/runtime';
import { isPoison, POISONED } from './crash-budget.ts';
import { persist } from './persistence.ts';

export type AdoptionContext = {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly logger: Logger;
  /** whether the worker that seemed dead has been heard again, still running this */
  readonly isBack: (run: RunningGeneration) => boolean;
  /** aborted when this worker closes */
  readonly signal: AbortSignal;
};

/**
 * Queues a run of a dead worker again, or ends it when it has cost enough workers. What killed the worker may have
 * taken NATS's leaders with it, so neither step is given up before it is done. Any number of workers may do this.
 * @returns whether it was this worker that moved the generation on
 */
export const adoptRun = async (
  dead: string,
  run: RunningGeneration,
  context: AdoptionContext,
): Promise<boolean> => {
  const { bus, clock, logger, signal } = context;
  const { org, session, generation } = run;
  const key: GenerationKey = { org, session, generation };
  try {
    const next = await persist(() => takeBack(dead, key, run, context), clock, signal);
    if (next === undefined || next.status === 'done') return next !== undefined;
    const job = { ...key, model: next.model, attempt: next.attempt + 1 };
    await persist(() => bus.jobs.publish(job, ANY_QUEUE), clock, signal);
    return true;
  } catch (error) {
    // The job's own redelivery is the backstop.
    logger.warn('adoption_failed', { generation, error });
    return false;
  }
};

/** One try. @returns the item as it is now, if this is what changed it */
const takeBack = async (
  dead: string,
  key: GenerationKey,
  run: RunningGeneration,
  { bus, clock, logger, isBack }: AdoptionContext,
): Promise<StoredGeneration | undefined> => {
  if (isBack(run)) return undefined;
  const stored = await bus.sessions.item(key, key.generation);
  const next = stored?.item.kind === 'generation' ? adopted(stored.item, dead, run) : undefined;
  if (stored === undefined || next === undefined) return undefined;
  if (!isPoison(next))
    return (await bus.sessions.updateItem(key, next, stored.rev)) === undefined ? undefined : next;
  const version = { rev: stored.rev, item: next };
  if (!(await endGeneration(bus, key, version, { end: POISONED, now: clock.now() }))) return undefined;
  logger.error('generation_poisoned', { generation: key.generation, crashes: next.crashes });
  return { ...next, status: 'done' };
};

/** The item after its worker's death; a job that the worker had taken and not claimed yet is lost like a claimed one. */
const adopted = (
  item: StoredGeneration,
  dead: string,
  { attempt }: RunningGeneration,
): StoredGeneration | undefined => {
  const claimed = item.status === 'queued' && item.attempt === attempt - 1 ? claim(item, dead) : item;
  return claimed?.worker === dead && claimed.attempt === attempt ? adopt(claimed) : undefined;
};
