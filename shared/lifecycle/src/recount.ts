import type { Bus } from '@sluice/bus';
import type { Org, SessionKey } from '@sluice/protocol';
import { sizesOf } from './item-size.ts';
import { orgCounter, sessionCounters } from './reservation.ts';

/** What is reserved is stored within this time, or never, ms. */
const SETTLE_MS = 15_000;

export type RecountContext = {
  readonly bus: Bus;
  readonly clock: { now(): number };
  /** A count of items is lowered only when nobody has reserved for this long, ms; default 15 s */
  readonly settleMs?: number | undefined;
};

/**
 * Corrects a session's counters from its items. A count of items that is too high stays while somebody may still be
 * about to store what it counts; a later call sees to it. Harmless to repeat, and for several at once.
 * @throws BusUnavailableError
 */
export const recountSession = async (
  { bus, clock, settleMs = SETTLE_MS }: RecountContext,
  key: SessionKey,
): Promise<void> => {
  const { counters } = bus;
  const startedAt = clock.now();
  const before = await Promise.all(sessionCounters(key).map((name) => counters.read(name)));
  const sizes = await sizesOf(bus, key);
  const correcting = sessionCounters(key).map(async (name, n) => {
    const [found, value] = [before[n], sizes[name.unit]];
    if (found === undefined) return counters.begin(name, value);
    if (found.value === value) return true;
    // A rest before the listing began: what is stored while it is read may be missing from it.
    const restMs = name.unit === 'items' && value < found.value ? settleMs + clock.now() - startedAt : 0;
    return counters.correct(name, { value, seq: found.seq, restMs });
  });
  await Promise.all(correcting);
};

/** Corrects an org's counter from those of its sessions, which expire with them. @throws BusUnavailableError */
export const recountOrg = async ({ counters }: Bus, org: Org): Promise<void> => {
  const name = orgCounter({ org });
  const found = await counters.read(name);
  if (found === undefined) return;
  await counters.correct(name, { value: await counters.storedBytes(org), seq: found.seq, restMs: 0 });
};
