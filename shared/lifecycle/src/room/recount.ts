import type { Bus, Count, CounterName } from '@sluice/bus';
import type { Org, SessionKey } from '@sluice/protocol';
import { sizesOf } from './item-size.ts';
import { generationCounter, orgCounter, sessionCounters } from './limits.ts';

/** What is reserved is stored within this time, or never, ms. */
const SETTLE_MS = 15_000;

export type RecountContext = {
  readonly bus: Bus;
  readonly clock: { now(): number };
  /** A count of items is lowered only when nobody has reserved for this long, ms; default 15 s */
  readonly settleMs?: number | undefined;
};

type Wanted = { readonly name: CounterName; readonly value: number };

/** Corrects counters that were read before what they should be was found. */
const correctAll = async (
  { bus: { counters }, clock, settleMs = SETTLE_MS }: RecountContext,
  wanted: readonly Wanted[],
  { before, startedAt }: { readonly before: readonly (Count | undefined)[]; readonly startedAt: number },
): Promise<void> => {
  const correcting = wanted.map(async ({ name, value }, n) => {
    const found = before[n];
    if (found === undefined) return counters.begin(name, value);
    if (found.value === value) return true;
    // A rest before the look began: what is stored while it is read may be missing from it.
    const isSettled = name.unit === 'bytes' || value > found.value;
    const restMs = isSettled ? 0 : settleMs + clock.now() - startedAt;
    return counters.correct(name, { value, seq: found.seq, restMs });
  });
  await Promise.all(correcting);
};

const readAll = ({ counters }: Bus, names: readonly CounterName[]): Promise<(Count | undefined)[]> =>
  Promise.all(names.map((name) => counters.read(name)));

/**
 * Corrects a session's counters from its items. A count of items that is too high stays while somebody may still be
 * about to store what it counts; a later call sees to it. Harmless to repeat, and for several at once.
 * @param user whose part of it is corrected too
 * @throws BusUnavailableError
 */
export const recountSession = async (
  context: RecountContext,
  key: SessionKey,
  user?: string,
): Promise<void> => {
  const startedAt = context.clock.now();
  const names = [
    ...sessionCounters(key),
    ...(user === undefined ? [] : sessionCounters(key).map((name) => ({ ...name, user }))),
  ];
  const before = await readAll(context.bus, names);
  const sizes = await sizesOf(context.bus, key);
  const wanted = names.map((name): Wanted => {
    const found = name.user === undefined ? sizes : sizes.users.get(name.user);
    return { name, value: (name.unit === 'items' ? found?.items : found?.bytes) ?? 0 };
  });
  await correctAll(context, wanted, { before, startedAt });
};

/**
 * Corrects the bytes of an org, or of one of its users, from those of its sessions, which expire with them.
 * @throws BusUnavailableError
 */
export const recountBytes = async ({ counters }: Bus, org: Org, user?: string): Promise<void> => {
  const name = { ...orgCounter({ org }), ...(user === undefined ? {} : { user }) };
  const found = await counters.read(name);
  if (found === undefined) return;
  await counters.correct(name, { value: await counters.storedBytes(org, user), seq: found.seq, restMs: 0 });
};

/** Items that are read at once. */
const READS = 64;

/**
 * Corrects how many generations of an org, or of one of its users, are not done, from those that are listed as open.
 * @throws BusUnavailableError
 */
export const recountGenerations = async (context: RecountContext, org: Org, user?: string): Promise<void> => {
  const startedAt = context.clock.now();
  const name = generationCounter({ org }, user);
  const before = await readAll(context.bus, [name]);
  const users = await usersOfOpen(context.bus, org);
  const value = users.filter((each) => user === undefined || each === user).length;
  await correctAll(context, [{ name, value }], { before, startedAt });
};

/** Whose generations are not done, one entry each. */
const usersOfOpen = async (bus: Bus, org: Org): Promise<string[]> => {
  const users: string[] = [];
  for (let next: number | undefined = 0; next !== undefined;) {
    const page = await bus.open.list(next, org);
    for (let at = 0; at < page.open.length; at += READS) {
      const reading = page.open
        .slice(at, at + READS)
        .map(({ key }) => bus.sessions.item(key, key.generation));
      for (const stored of await Promise.all(reading))
        if (stored?.item.kind === 'generation' && stored.item.status !== 'done') users.push(stored.item.user);
    }
    ({ next } = page);
  }
  return users;
};
