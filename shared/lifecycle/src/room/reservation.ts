import { BusUnavailableError } from '@sluice/bus';
import type { Bus, CounterName, ItemBody } from '@sluice/bus';
import type { StoredGeneration } from '@sluice/core';
import { parseGenerationId } from '@sluice/protocol';
import type { GenerationKey, SessionKey } from '@sluice/protocol';
import { sizeOf } from './item-size.ts';
import { generationCounter, orgCounter, sessionCounters, storedCounters } from './limits.ts';
import type { Demand, Limit } from './limits.ts';
import type { Refused } from './refusals.ts';

/** Room for one item that is not stored yet. */
export type Reservation = {
  /** Gives it back: what was reserved is not stored, and never will be. */
  giveBack(): Promise<void>;
  /** Resolves as the write does. When it fails for good the room is given back, when nobody knows it is not. */
  holdFor<Result>(write: Promise<Result>): Promise<Result>;
};

/** A read that is made beside others: that it failed matters only to whoever awaits it. */
export const beside = <Result>(read: Promise<Result>): Promise<Result> => {
  read.catch(() => undefined);
  return read;
};

/**
 * Adds to every counter. When one does not answer the others are given back, and that one may count too much.
 * @returns what was taken, and the limits that it exceeds
 * @throws BusUnavailableError
 */
export const takeRoom = async (
  bus: Bus,
  limits: readonly Limit[],
): Promise<{ readonly taken: Reservation; readonly over: readonly Refused[] }> => {
  const adding = limits.map(({ name, most, amount }) => {
    const added = beside(bus.counters.add(name, amount));
    // What has no limit refuses nobody, so nobody waits for it.
    return most === Infinity ? Promise.resolve(0) : added;
  });
  const results = await Promise.allSettled(adding);
  const taken = reservationOf(
    bus,
    limits.filter((_, n) => results[n]?.status === 'fulfilled'),
  );
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) {
    await taken.giveBack();
    throw failed.reason;
  }
  const over = limits.flatMap((limit, n) => {
    const result = results[n];
    const isOver = result?.status === 'fulfilled' && result.value > limit.most;
    return isOver ? { limit, used: result.value - limit.amount } : [];
  });
  return { taken, over };
};

const reservationOf = (bus: Bus, taken: readonly Limit[]): Reservation => {
  const giveBack = async (): Promise<void> => {
    const giving = taken.map(({ name, amount }) => bus.counters.add(name, -amount));
    // What cannot be given back counts too much until the next recount.
    await Promise.allSettled(giving);
  };
  return {
    giveBack,
    holdFor: async (write) => {
      try {
        return await write;
      } catch (error) {
        if (!(error instanceof BusUnavailableError)) await giveBack();
        throw error;
      }
    },
  };
};

/** Counts an item that was admitted before, whatever the limits: nobody waits for what cannot refuse. */
export const countItem = async (bus: Bus, key: SessionKey, { user, bytes }: Demand): Promise<Reservation> => {
  const most = Infinity;
  const { taken } = await takeRoom(bus, [
    ...storedCounters(key, user).map((name) => ({
      ...{ name, most },
      amount: name.unit === 'items' ? 1 : bytes,
    })),
    ...[generationCounter(key), generationCounter(key, user)].map((name) => ({ name, most, amount: 1 })),
  ]);
  return taken;
};

/** An item has become larger since it was created, by its text. What cannot be counted is found by a recount. */
export const countGrowth = async (
  bus: Bus,
  key: SessionKey,
  { user, bytes }: Pick<Demand, 'user' | 'bytes'>,
): Promise<void> => {
  const names = bytes === 0 ? [] : storedCounters(key, user).filter(({ unit }) => unit === 'bytes');
  await addAll(bus, names, bytes);
};

/** A generation is done: once for whoever finds that at the same time. */
export const countDone = (bus: Bus, key: GenerationKey, { user }: StoredGeneration): Promise<void> =>
  addAll(
    bus,
    [generationCounter(key), generationCounter(key, user)],
    -1,
    `done.${key.session}.${key.generation}`,
  );

const addAll = async (
  { counters }: Bus,
  names: readonly CounterName[],
  amount: number,
  once?: string,
): Promise<void> => void (await Promise.allSettled(names.map((name) => counters.add(name, amount, once))));

/** An item is not counted anew when its state changes, by fewer bytes than this; a preview and a reference neither. */
const UNCOUNTED_BYTES = 512;
const UNCOUNTED_BODY_BYTES = 1536;

/** An item is erased: gives back what it took, rather too little than too much. A recount finds the rest. */
export const releaseItem = async (bus: Bus, key: SessionKey, item: ItemBody): Promise<void> => {
  const apart = Object.keys(item.bodies ?? {}).length;
  const bytes = Math.max(0, sizeOf(item) - UNCOUNTED_BYTES - apart * UNCOUNTED_BODY_BYTES);
  const names = storedCounters(key, item.user);
  const of = (wanted: CounterName['unit']): CounterName[] => names.filter(({ unit }) => unit === wanted);
  const giving = [addAll(bus, of('items'), -1)];
  if (bytes > 0) giving.push(addAll(bus, of('bytes'), -bytes));
  if (item.kind === 'generation' && item.status !== 'done')
    giving.push(countDone(bus, { ...key, generation: parseGenerationId(item.id) }, item));
  await Promise.all(giving);
};

/** A session is erased: gives back what its items did not. Where two do so at once, one of them does. @throws BusUnavailableError */
export const releaseSession = async ({ counters }: Bus, key: SessionKey): Promise<void> => {
  const [items, bytes] = sessionCounters(key);
  const reset = async (name: CounterName): Promise<number> => {
    const count = await counters.read(name);
    if (count === undefined || count.value <= 0) return 0;
    const isOurs = await counters.correct(name, { value: 0, seq: count.seq, restMs: 0 });
    return isOurs ? count.value : 0;
  };
  const [given] = await Promise.all([reset(bytes), reset(items)]);
  if (given > 0) await counters.add(orgCounter(key), -given);
};
