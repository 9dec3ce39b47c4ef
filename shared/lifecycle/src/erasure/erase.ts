import { BusUnavailableError, isTombstone } from '@sluice/bus';
import type { ItemBody, SessionCard } from '@sluice/bus';
import { parseGenerationId, SluiceError } from '@sluice/protocol';
import type { ItemId, SessionKey } from '@sluice/protocol';
import { cancelGeneration } from '../cancel.ts';
import type { CancelContext } from '../cancel.ts';
import { eraseItem } from '../item-change.ts';
import { releaseItem, releaseSession } from '../room/reservation.ts';
import { readCard } from './session-card.ts';

export type EraseContext = CancelContext & {
  /** the id of a deleted session is taken for this long, ms */
  readonly tombstoneMs: number;
};

/** Items that are erased at the same time. */
const LANES = 8;

/**
 * Deletes a session: from its tombstone on nothing is stored in it, what runs is cancelled, and all that was said is
 * erased. A repeat completes what is left, and so does a sweep: the session is marked first.
 * @param authorize throws SluiceError where this session may not be deleted
 * @throws SluiceError not_found; BusUnavailableError, BusRefusedError
 */
export const deleteSession = async (
  context: EraseContext,
  key: SessionKey,
  authorize: (card: SessionCard) => void,
): Promise<void> => {
  await bury(context, key, authorize);
  await eraseSession(context, key);
};

/** Puts the tombstone in place of the card. */
const bury = async (
  { bus, clock, tombstoneMs }: EraseContext,
  key: SessionKey,
  authorize: (card: SessionCard) => void,
): Promise<void> => {
  for (;;) {
    const stored = await bus.cards.read(key);
    if (stored !== undefined && isTombstone(stored.card)) return;
    const known = await readCard(bus, key);
    if (known === undefined) throw new SluiceError('not_found', 'no such session');
    authorize(known.card);
    await bus.cards.mark(key);
    const options = { rev: known.rev, ttlMs: tombstoneMs };
    if ((await bus.cards.write(key, { deletedAt: clock.now() }, options)) !== undefined) return;
  }
};

/** Erases all of a session that is deleted. Idempotent. @throws BusUnavailableError, BusRefusedError */
const eraseSession = async (context: EraseContext, key: SessionKey): Promise<void> => {
  const { bus } = context;
  const ids = await bus.erasure.ids(key);
  await inLanes(ids, async (id) => {
    await stopRun(context, key, id);
    await eraseAndRelease(context, key, id, context.tombstoneMs);
    await eraseRest(context, key, id, context.tombstoneMs);
  });
  await releaseSession(bus, key);
};

/**
 * Deletes an item: what runs is cancelled, and all that was said in it is erased. Its id stays taken for as long as an item
 * is kept. A repeat or a sweep completes what is left.
 * @param authorize throws SluiceError where this item may not be deleted; undefined: it cannot be read
 * @throws SluiceError not_found, session_deleted, and what `authorize` throws; BusUnavailableError, BusRefusedError
 */
export const deleteItem = async (
  context: EraseContext,
  key: SessionKey,
  id: ItemId,
  authorize: (item: ItemBody | undefined) => void,
): Promise<void> => {
  const { bus } = context;
  const [stored, stand] = await Promise.all([bus.sessions.item(key, id), bus.erasure.stand(key, id)]);
  if (stand === undefined) throw new SluiceError('not_found', 'no such item');
  if (!stand.isErased) {
    authorize(stored?.item);
    await bus.cards.mark(key);
    await stopRun(context, key, id);
    await eraseAndRelease(context, key, id);
  }
  await eraseRest(context, key, id);
};

/**
 * The engine lets go of its slot now, where its worker answers. Where it does not, the fence in its log stops it later.
 */
const stopRun = async (context: EraseContext, key: SessionKey, id: ItemId): Promise<void> => {
  const item = (await context.bus.sessions.item(key, id))?.item;
  if (item?.kind !== 'generation' || item.status === 'done') return;
  const generation = { ...key, generation: parseGenerationId(id) };
  try {
    await cancelGeneration(context, generation, { user: item.user, authorize: () => undefined });
  } catch (error) {
    if (!(error instanceof SluiceError || error instanceof BusUnavailableError)) throw error;
  }
};

const eraseAndRelease = async (
  { bus }: EraseContext,
  key: SessionKey,
  id: ItemId,
  ttlMs?: number,
): Promise<void> => {
  const erased = await eraseItem(bus, key, id, ttlMs);
  // Whoever has erased it gives its room back: nobody else does.
  if (erased !== undefined) await releaseItem(bus, key, erased);
};

const eraseRest = async (
  { bus }: EraseContext,
  key: SessionKey,
  id: ItemId,
  ttlMs?: number,
): Promise<void> => {
  await bus.erasure.rest(key, id, { ttlMs });
  await bus.open.remove({ ...key, generation: parseGenerationId(id) });
};

/**
 * Erases what an interrupted deletion, or a write that came too late, has left behind: all of a session that is deleted,
 * and of another one what belongs to erased items. Idempotent.
 * @throws BusUnavailableError, BusRefusedError
 */
export const completeErasure = async (context: EraseContext, key: SessionKey): Promise<void> => {
  const { bus } = context;
  const stored = await bus.cards.read(key);
  if (stored !== undefined && isTombstone(stored.card)) return eraseSession(context, key);
  await inLanes(await bus.erasure.ids(key), async (id) => {
    if ((await bus.erasure.stand(key, id))?.isErased === true) await eraseRest(context, key, id);
  });
};

const inLanes = async (ids: readonly ItemId[], work: (id: ItemId) => Promise<void>): Promise<void> => {
  const queue = ids.values();
  const lane = async (): Promise<void> => {
    for (const id of queue) await work(id);
  };
  await Promise.all(Array.from({ length: LANES }, lane));
};
