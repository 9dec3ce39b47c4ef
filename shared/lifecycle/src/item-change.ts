import type { Bus, ItemBody } from '@sluice/bus';
import { usageRecordOf } from '@sluice/core';
import type { StoredGeneration } from '@sluice/core';
import { parseGenerationId } from '@sluice/protocol';
import type { GenerationKey, ItemId, SessionKey } from '@sluice/protocol';
import { sizeOf } from './room/item-size.ts';
import { closeAccount } from './ledger.ts';
import { countDone, countGrowth } from './room/reservation.ts';

/** What every operation of a generation's life needs. */
export type LifeContext = {
  readonly bus: Bus;
  /** ms since the Unix epoch */
  readonly clock: { now(): number };
};

/** What a change was decided on has moved meanwhile: read the item again and decide anew. */
export const AGAIN = 'again';

/**
 * Decides what an item becomes. The item itself: it is so already, and what belongs to that has to be completed.
 * `undefined`: nothing, its state does not allow the change.
 * May do what belongs to the change first, such as fencing the log; then it must be harmless to repeat.
 */
export type ItemChange = (
  item: StoredGeneration,
) => Promise<StoredGeneration | typeof AGAIN | undefined> | StoredGeneration | undefined;

/**
 * The one place where an item of a generation is compared and set.
 * @returns the item as it is then; undefined: there is none, or the change does not apply
 * @throws BusUnavailableError
 */
export const changeItem = async (
  bus: Bus,
  key: GenerationKey,
  change: ItemChange,
): Promise<StoredGeneration | undefined> => {
  for (let isRepeat = false; ; isRepeat = true) {
    const stored = await bus.sessions.item(key, key.generation);
    if (stored?.item.kind !== 'generation') {
      // Erased meanwhile, and what was written for this change before it was refused was not there to be erased.
      if (isRepeat) await bus.cards.mark(key);
      return undefined;
    }
    const next = await change(stored.item);
    if (next === undefined) return undefined;
    if (next === AGAIN) continue;
    if (next !== stored.item) {
      if ((await bus.sessions.updateItem(key, next, stored.rev)) === undefined) continue;
      const { text, bodies } = stored.item;
      // Only then it has a text, or has lost it.
      if (next.text !== text || next.bodies !== bodies)
        await countGrowth(bus, key, { user: next.user, bytes: sizeOf(next) - sizeOf(stored.item) });
    }
    if (next.status === 'done') await settle(bus, key, { item: next, isNew: stored.item.status !== 'done' });
    return next;
  }
};

/**
 * It is done, whatever becomes of this: a sweep does what is left, a recount finds what was not counted.
 * @param isNew it was not done before
 */
const settle = async (
  bus: Bus,
  key: GenerationKey,
  { item, isNew }: { readonly item: StoredGeneration; readonly isNew: boolean },
): Promise<void> => {
  await Promise.allSettled([closeAccount(bus, key, item), ...(isNew ? [countDone(bus, key, item)] : [])]);
};

/**
 * Erases an item of any kind, whatever becomes of it meanwhile. What a generation cost stays in the ledger.
 * @returns what it was; undefined: there is none, it was erased before, or it could not be read
 * @throws BusUnavailableError, BusRefusedError
 */
export const eraseItem = async (
  bus: Bus,
  key: SessionKey,
  id: ItemId,
  ttlMs?: number,
): Promise<ItemBody | undefined> => {
  const { sessions, erasure } = bus;
  for (;;) {
    const stored = await sessions.item(key, id);
    const stand = stored === undefined ? await erasure.stand(key, id) : { rev: stored.rev, isErased: false };
    if (stand === undefined || stand.isErased) return undefined;
    if (stored?.item.kind === 'generation' && stored.item.status === 'done')
      await bus.usage.append({ ...key, generation: parseGenerationId(id) }, usageRecordOf(stored.item));
    if ((await erasure.item(key, id, { rev: stand.rev, ttlMs })) !== undefined) return stored?.item;
  }
};
