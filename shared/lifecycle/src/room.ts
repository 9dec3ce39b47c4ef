import { BusUnavailableError } from '@sluice/bus';
import type { Bus, CounterName } from '@sluice/bus';
import { SluiceError } from '@sluice/protocol';
import type { SessionKey } from '@sluice/protocol';
import { sizesOf } from './item-size.ts';

/** What a session and its org may store. */
export type RoomLimits = {
  readonly maxItemsPerSession: number;
  readonly maxBytesPerSession: number;
  /** undefined: no limit */
  readonly maxBytesPerOrg?: number | undefined;
};

export type RoomDeps = {
  readonly bus: Bus;
  readonly clock: { now(): number };
  readonly limits: RoomLimits;
  /** An item count is lowered only after this rest: what was reserved before is stored by then, or never; default 15 s */
  readonly settleMs?: number;
};

/** A read that is made beside others: that it failed matters only to whoever awaits it. */
export const beside = <Result>(read: Promise<Result>): Promise<Result> => {
  read.catch(() => undefined);
  return read;
};

/** A limit is not recounted more often, ms. */
const RECOUNT_MS = 60_000;
/** Most sessions and orgs that are remembered. */
const MAX_REMEMBERED = 10_000;

type Limit = { readonly name: CounterName; readonly most: number; readonly amount: number };

/** Room for one item that is not stored yet. */
export type Reservation = {
  /** Gives it back: what was reserved is not stored, and never will be. */
  giveBack(): Promise<void>;
  /** Resolves as the write does. When it fails for good the room is given back, when nobody knows it is not. */
  holdFor<Result>(write: Promise<Result>): Promise<Result>;
};

/**
 * The room of sessions and orgs, counted over all edges. It is taken before an item is created and given back when it is
 * not, so a crash in between leaves a counter too high and never too low. A counter that refuses is compared with the
 * items first.
 */
export class Room {
  readonly #bus: Bus;
  readonly #clock: RoomDeps['clock'];
  readonly #limits: RoomLimits;
  readonly #settleMs: number;
  /** sessions and orgs that were met lately, and when they were last recounted; oldest first */
  readonly #known = new Map<string, number>();

  constructor({ bus, clock, limits, settleMs = 15_000 }: RoomDeps) {
    this.#bus = bus;
    this.#clock = clock;
    this.#limits = limits;
    this.#settleMs = settleMs;
  }

  /**
   * The look before a reservation, which may be made beside other reads: begins the counters of a session that has none.
   * @throws SluiceError quota_exceeded when there is no room for one more item; BusUnavailableError
   */
  async look(key: SessionKey): Promise<void> {
    const [name] = sessionCounters(key);
    const session = `${key.org}.${key.session}`;
    // One that is new here is probably new everywhere: without items there is nothing to begin a counter with.
    if (!this.#known.has(session)) {
      const rev = await this.#bus.sessions.newestRev(key);
      this.#remember(session, -Infinity);
      if (rev === 0) return;
    }
    const value = (await this.#bus.counters.read(name))?.value ?? (await this.#begin(key));
    const most = this.#limits.maxItemsPerSession;
    if (value < most) return;
    if ((await this.#recountAtLimit(name)) && (await this.#valueOf(name)) < most) return;
    throw refusal({ name, most });
  }

  /**
   * Takes room for one item.
   * @param look of this session, when it was begun before
   * @throws SluiceError quota_exceeded naming the limit; BusUnavailableError
   */
  async reserve(key: SessionKey, bytes: number, look: Promise<void> = this.look(key)): Promise<Reservation> {
    await look;
    const { taken, over } = await this.#take(key, bytes);
    if (over === undefined) return taken;
    await taken.giveBack();
    if (over.name.unit === 'items' || !(await this.#recountAtLimit(over.name))) throw refusal(over);
    const again = await this.#take(key, bytes);
    if (again.over === undefined) return again.taken;
    await again.taken.giveBack();
    throw refusal(again.over);
  }

  /** Counts an item that was admitted before, whatever the limits. @throws BusUnavailableError */
  async count(key: SessionKey, bytes: number): Promise<Reservation> {
    return (await this.#take(key, bytes)).taken;
  }

  /**
   * Corrects a session's counters from its items. A count of items that is too high stays while somebody may still be
   * about to store what it counts; the next call sees to it. Harmless to repeat, and for several at once.
   * @throws BusUnavailableError
   */
  async recount(key: SessionKey): Promise<void> {
    const { counters } = this.#bus;
    const startedAt = this.#clock.now();
    const before = await Promise.all(sessionCounters(key).map((name) => counters.read(name)));
    const sizes = await sizesOf(this.#bus, key);
    const correcting = sessionCounters(key).map(async (name, n) => {
      const [found, value] = [before[n], sizes[name.unit]];
      if (found === undefined) return counters.begin(name, value);
      if (found.value === value) return true;
      // A rest before the listing began: what is stored while it is read may be missing from it.
      const rest = this.#settleMs + this.#clock.now() - startedAt;
      const restMs = name.unit === 'items' && value < found.value ? rest : 0;
      return counters.correct(name, { value, seq: found.seq, restMs });
    });
    await Promise.all(correcting);
  }

  /**
   * Of a store from before, or where the counter is lost: begins it from the items, once over all edges.
   * @returns how many items there are
   */
  async #begin(key: SessionKey): Promise<number> {
    const { counters } = this.#bus;
    const sizes = await sizesOf(this.#bus, key);
    if (sizes.items === 0) return 0;
    const [items, bytes] = sessionCounters(key);
    // What was created meanwhile was counted before, so then there is a counter.
    if ((await counters.read(items)) === undefined) {
      const begun = [counters.begin(items, sizes.items), counters.begin(bytes, sizes.bytes)];
      const [, isCounted] = await Promise.all(begun);
      if (isCounted === true) await counters.add(orgCounter(key), sizes.bytes);
    }
    return this.#valueOf(items);
  }

  async #valueOf(name: CounterName): Promise<number> {
    return (await this.#bus.counters.read(name))?.value ?? 0;
  }

  /** Adds to every counter. When one does not answer the others are given back, and that one may count too much. */
  async #take(
    key: SessionKey,
    bytes: number,
  ): Promise<{ readonly taken: Reservation; readonly over: Limit | undefined }> {
    const limits = this.#limitsOf(key, bytes);
    const adding = limits.map(({ name, most, amount }) => {
      const added = beside(this.#bus.counters.add(name, amount));
      // What has no limit refuses nobody, so nobody waits for it.
      return most === Infinity ? Promise.resolve(0) : added;
    });
    const results = await Promise.allSettled(adding);
    const taken = this.#reservation(limits.filter((_, n) => results[n]?.status === 'fulfilled'));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) {
      await taken.giveBack();
      throw failed.reason;
    }
    const over = limits.find(({ most }, n) => {
      const result = results[n];
      return result?.status === 'fulfilled' && result.value > most;
    });
    return { taken, over };
  }

  #reservation(taken: readonly Limit[]): Reservation {
    const giveBack = async (): Promise<void> => {
      const giving = taken.map(({ name, amount }) => this.#bus.counters.add(name, -amount));
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
  }

  #limitsOf(key: SessionKey, bytes: number): Limit[] {
    const { maxItemsPerSession, maxBytesPerSession, maxBytesPerOrg = Infinity } = this.#limits;
    const [items, sessionBytes] = sessionCounters(key);
    return [
      { name: items, most: maxItemsPerSession, amount: 1 },
      { name: sessionBytes, most: maxBytesPerSession, amount: bytes },
      { name: orgCounter(key), most: maxBytesPerOrg, amount: bytes },
    ];
  }

  /** @returns false where it was recounted a moment ago */
  async #recountAtLimit({ org, session }: CounterName): Promise<boolean> {
    const name = session === undefined ? org : `${org}.${session}`;
    const now = this.#clock.now();
    if (now - (this.#known.get(name) ?? -Infinity) < RECOUNT_MS) return false;
    this.#remember(name, now);
    await (session === undefined ? this.#recountOrg(org) : this.recount({ org, session }));
    return true;
  }

  #remember(name: string, recountedAt: number): void {
    this.#known.delete(name);
    this.#known.set(name, recountedAt);
    const [oldest] = this.#known.keys();
    if (oldest !== undefined && this.#known.size > MAX_REMEMBERED) this.#known.delete(oldest);
  }

  async #recountOrg(org: SessionKey['org']): Promise<void> {
    const { counters } = this.#bus;
    const name = orgCounter({ org });
    const found = await counters.read(name);
    if (found === undefined) return;
    await counters.correct(name, { value: await counters.storedBytes(org), seq: found.seq, restMs: 0 });
  }
}

const sessionCounters = ({ org, session }: SessionKey): readonly [CounterName, CounterName] => [
  { org, session, unit: 'items' },
  { org, session, unit: 'bytes' },
];
const orgCounter = ({ org }: Pick<SessionKey, 'org'>): CounterName => ({ org, unit: 'bytes' });

const refusal = ({ name: { session, unit }, most }: Pick<Limit, 'name' | 'most'>): SluiceError => {
  const [whose, remedy] = session === undefined ? ['org', ''] : ['session', '; start a new one'];
  return new SluiceError('quota_exceeded', `${whose}: expected at most ${most} ${unit}${remedy}`);
};

/** An item has become larger since it was created, by its text. What cannot be counted is found by a recount. */
export const countGrowth = async (bus: Bus, key: SessionKey, grown: number): Promise<void> => {
  if (grown === 0) return;
  const names = [sessionCounters(key)[1], orgCounter(key)];
  await Promise.allSettled(names.map((name) => bus.counters.add(name, grown)));
};
