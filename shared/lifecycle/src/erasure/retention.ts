import { isTombstone } from '@sluice/bus';
import type { StoredCard } from '@sluice/bus';
import type { Org, SessionKey } from '@sluice/protocol';
import { deleteSession } from './erase.ts';
import type { EraseContext } from './erase.ts';

/** Its id is free again soon: it is as if its items had expired, ms. Longer than an erasure takes to its last look. */
const TOMBSTONE_MS = 2 * 60_000;

export type Retention = {
  readonly org: Org;
  /** how long after its last activity a session is kept */
  readonly sessionsMs: number;
};

/**
 * Deletes the sessions of an org that nobody has used for as long as it keeps any. A sweep and no expiry of messages, which
 * each program that writes would have to ask for, workers in other languages too, and which a change of the setting
 * would not reach.
 * @returns how many were deleted
 * @throws BusUnavailableError, BusRefusedError
 */
export const expireSessions = async (
  context: Omit<EraseContext, 'tombstoneMs'>,
  { org, sessionsMs }: Retention,
): Promise<number> => {
  const { bus, clock } = context;
  const before = clock.now() - sessionsMs;
  let deleted = 0;
  for (let next: number | undefined = Infinity; next !== undefined;) {
    const page = await bus.cards.list(org, next);
    for (const found of page.cards) if (await expire(context, found, before)) deleted += 1;
    ({ next } = page);
  }
  return deleted;
};

const expire = async (
  context: Omit<EraseContext, 'tombstoneMs'>,
  { key, card }: StoredCard & { readonly key: SessionKey },
  before: number,
): Promise<boolean> => {
  if (isTombstone(card) || card.activeAt >= before) return false;
  let isUsed = false;
  try {
    await deleteSession({ ...context, tombstoneMs: TOMBSTONE_MS }, key, ({ activeAt }) => {
      isUsed = activeAt >= before;
      if (isUsed) throw new Error('used meanwhile');
    });
    return true;
  } catch (error) {
    if (!isUsed) throw error;
    return false;
  }
};
