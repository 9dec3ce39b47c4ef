import { ANY_QUEUE } from '@sluice/bus';
import type { Bus, OpenGeneration, PromptEntry } from '@sluice/bus';
import { dueEnd, sweepStep } from '@sluice/core';
import type { StoredGeneration, SweepStep } from '@sluice/core';
import type { GenerationKey } from '@sluice/protocol';
import { adoptGeneration } from './adopt.ts';
import { completeCreation } from './create.ts';
import { endedItem } from './end.ts';
import { changeItem } from './item-change.ts';
import type { LifeContext } from './item-change.ts';
import { closeAccount } from './ledger.ts';
import { queueJob } from './job.ts';

export type Sweep = {
  /** whether the run of this item is known to be nobody's any more */
  readonly isDeserted: (item: StoredGeneration) => boolean;
  /** how long this has been listed at least, ms */
  readonly listedMs: number;
};

/** Whoever creates a generation has stored its prompt by then, or never will, ms. */
const PROMPT_MS = 60_000;

/**
 * Looks at one open generation and does what it waits for. Any number may do so at once: compare-and-set decides, and a
 * job that is there is not taken again.
 * @returns what was done
 * @throws BusUnavailableError, BusRefusedError
 */
export const sweepGeneration = async (
  context: LifeContext,
  open: OpenGeneration,
  { isDeserted, listedMs }: Sweep,
): Promise<SweepStep> => {
  const { bus, clock } = context;
  const { key, entry } = open;
  const stored = (await bus.sessions.item(key, key.generation))?.item;
  const item = stored?.kind === 'generation' ? stored : undefined;
  const now = clock.now();
  const step = sweepStep({ item, now, isDeserted: item?.status === 'running' && isDeserted(item) });
  if (step === 'complete') await complete(bus, open, listedMs);
  if (item === undefined) return step;
  if (step === 'forget') await closeAccount(bus, key, item, entry);
  if (step === 'queue') await queueJob(bus, key, item, ANY_QUEUE);
  if (step === 'adopt') await adoptGeneration(context, { ...key, attempt: item.attempt }, item.worker ?? '');
  if (step === 'end') await endDue(context, key);
  return step;
};

/** What no prompt belongs to, or what something else has the id of, will never be one. */
const complete = async (bus: Bus, { key, entry }: OpenGeneration, listedMs: number): Promise<void> => {
  const prompt = await bus.sessions.prompt(key);
  if (prompt === undefined && listedMs < PROMPT_MS) return;
  if (prompt === undefined || !(await isCompleted(bus, key, prompt))) await bus.open.remove(key, entry);
};

/** @returns whether it is a generation then: something else may have its id, or what cannot be read */
const isCompleted = async (bus: Bus, key: GenerationKey, prompt: PromptEntry): Promise<boolean> => {
  try {
    await completeCreation(bus, key, prompt);
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'conflict') throw error;
  }
  return (await bus.sessions.item(key, key.generation))?.item.kind === 'generation';
};

const endDue = (context: LifeContext, key: GenerationKey): Promise<StoredGeneration | undefined> =>
  changeItem(context.bus, key, (found) => {
    const end = found.status === 'running' ? undefined : dueEnd(found, context.clock.now());
    return end && endedItem(context, key, found, end);
  });
