import { ANY_QUEUE, endGeneration } from '@sluice/bus';
import type { Bus, RunningGeneration } from '@sluice/bus';
import { adopt, poisonEnd, spend } from '@sluice/core';
import type { StoredGeneration } from '@sluice/core';
import { headOf } from '@sluice/protocol';
import type { GenerationKey } from '@sluice/protocol';
import { persist } from '@sluice/runtime';
import type { Clock, Logger } from '@sluice/runtime';

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
  const item = stored?.item.kind === 'generation' ? stored.item : undefined;
  const next = item && (await adopted(bus, key, item, { worker: dead, attempt: run.attempt }));
  if (stored === undefined || next === undefined) return undefined;
  const end = poisonEnd(next);
  if (end === undefined)
    return (await bus.sessions.updateItem(key, next, stored.rev)) === undefined ? undefined : next;
  if (!(await endGeneration(bus, key, { rev: stored.rev, item: next }, { end, now: clock.now() })))
    return undefined;
  const { crashes, allCrashes } = next;
  logger.error('generation_poisoned', { generation: key.generation, crashes, allCrashes });
  return { ...next, status: 'done' };
};

/** The item after its worker's death; undefined when somebody has it by now. */
const adopted = async (
  bus: Bus,
  key: GenerationKey,
  item: StoredGeneration,
  dead: { readonly worker: string; readonly attempt: number },
): Promise<StoredGeneration | undefined> => {
  if (item.status === 'queued') return item.attempt === dead.attempt - 1 ? spend(item) : undefined;
  if (item.worker !== dead.worker || item.attempt !== dead.attempt) return undefined;
  return adopt(item, await seqOfLog(bus, key));
};

/** How far the log has got, in its newest epoch. @throws BusUnavailableError */
export const seqOfLog = async (bus: Bus, key: GenerationKey): Promise<number> => {
  const head = await bus.tokens.head(key);
  return head === undefined ? 0 : headOf(head.record);
};
