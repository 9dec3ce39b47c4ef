import { ANY_QUEUE } from '@sluice/bus';
import type { Bus } from '@sluice/bus';
import { adopt, finish, park, requeue, slotLeft, transcriptOf } from '@sluice/core';
import type { StoredGeneration } from '@sluice/core';
import type { End, GenerationKey, Position, Token } from '@sluice/protocol';
import { changeItem } from './item-change.ts';
import type { LifeContext } from './item-change.ts';
import { queueJob } from './job.ts';

/** What an attempt leaves behind: the text so far and where it stands in the log. */
export type Leaving = {
  readonly key: GenerationKey;
  readonly attempt: number;
  readonly at: Position;
  readonly tokens: readonly Token[];
  /** when its engine had let go, ms since the Unix epoch */
  readonly leftAt: number;
  /** tokens that were not made because it was stopped; default none */
  readonly savedTokens?: number;
};

/*
 * How an attempt leaves its generation. Each resolves to whether the item now says so; false: a newer attempt owns it.
 * A repeat whose first try was written finds that, and completes what belongs to it.
 */

/** @throws BusUnavailableError */
export const finishGeneration = async (bus: Bus, leaving: Leaving, end: End): Promise<boolean> => {
  const transcript = transcriptOf(leaving.tokens);
  const isWritten = ({ status, reason }: StoredGeneration): boolean =>
    status === 'done' && reason === end.reason;
  return change(bus, leaving, isWritten, (item) => {
    const ended = finish(accounted(item, leaving), end, leaving.at, transcript);
    return ended && { ...ended, endedAt: leaving.leftAt };
  });
};

/** The engine is stopped and the slot is free; a viewer that comes back revives it. @throws BusUnavailableError */
export const parkGeneration = async ({ bus, clock }: LifeContext, leaving: Leaving): Promise<boolean> => {
  const { attempt, at, tokens } = leaving;
  const parking = { at, transcript: transcriptOf(tokens), now: clock.now() };
  const isWritten = ({ status }: StoredGeneration): boolean => status === 'parked';
  return change(bus, leaving, isWritten, (item) => park(accounted(item, leaving), attempt, parking));
};

/** Hands it to another worker: the item is queued again and a job asks for it. @throws BusUnavailableError */
export const requeueGeneration = (bus: Bus, leaving: Leaving): Promise<boolean> =>
  queue(bus, leaving, (item) => requeue(accounted(item, leaving)));

/** As {@link requeueGeneration}, for an attempt that its engine died with: that counts against the generation. */
export const recoverGeneration = (bus: Bus, leaving: Leaving): Promise<boolean> =>
  queue(bus, leaving, (item) => adopt(accounted(item, leaving), leaving.at.seq));

const accounted = (item: StoredGeneration, { leftAt, savedTokens = 0 }: Leaving): StoredGeneration => ({
  ...slotLeft(item, leftAt),
  ...(savedTokens === 0 ? {} : { savedTokens }),
});

type Change = (item: StoredGeneration) => StoredGeneration | undefined;

const queue = async (bus: Bus, leaving: Leaving, next: Change): Promise<boolean> => {
  const { key, attempt } = leaving;
  const isWritten = ({ status }: StoredGeneration): boolean => status === 'queued';
  const item = await changeItem(bus, key, ofAttempt(attempt, isWritten, next));
  if (item === undefined) return false;
  // To whoever is free: what this worker last heard of the others may be out of date, and nobody shall wait for that.
  await queueJob(bus, key, item, ANY_QUEUE);
  return true;
};

const change = async (
  bus: Bus,
  { key, attempt }: Leaving,
  isWritten: (item: StoredGeneration) => boolean,
  next: Change,
): Promise<boolean> => (await changeItem(bus, key, ofAttempt(attempt, isWritten, next))) !== undefined;

/** The item as it is where this attempt has written it so already. */
const ofAttempt =
  (attempt: number, isWritten: (item: StoredGeneration) => boolean, next: Change): Change =>
  (item) => {
    if (item.attempt !== attempt) return undefined;
    return isWritten(item) ? item : next(item);
  };
