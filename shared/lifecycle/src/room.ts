import type { Bus, CounterName } from '@sluice/bus';
import { SluiceError } from '@sluice/protocol';
import type { SessionKey } from '@sluice/protocol';
import { sizesOf } from './item-size.ts';
import { recountOrg, recountSession } from './recount.ts';
import { orgCounter, sessionCounters, takeRoom } from './reservation.ts';
import type { Limit, Reservation } from './reservation.ts';

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
  /** see {@link RecountContext} */
  readonly settleMs?: number;
};

/** A limit is not recounted more often, ms. */
const RECOUNT_MS = 60_000;
/** Most sessions and orgs that are remembered. */
const MAX_REMEMBERED = 10_000;

/**
 * The room of sessions and orgs, counted over all edges. It is taken before an item is created and given back when it is
 * not, so a crash in between leaves a counter too high and never too low. A counter that refuses is compared with the
 * items first.
 */
export class Room {
  readonly #bus: Bus;
  readonly #clock: RoomDeps['clock'];
  readonly #limits: RoomLimits;
  readonly #settleMs: number | undefined;
  /** sessions and orgs that were met lately, and when they were last recounted; oldest first */
  readonly #known = new Map<string, number>();
  /** sessions whose counters are being begun: whoever comes meanwhile waits for that */
  readonly #beginning = new Map<string, Promise<number>>();

  constructor({ bus, clock, limits, settleMs }: RoomDeps) {
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
    const value = (await this.#bus.counters.read(name))?.value ?? (await this.#beginOnce(key, session));
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
    const { taken, over } = await takeRoom(this.#bus, this.#limitsOf(key, bytes));
    if (over === undefined) return taken;
    await taken.giveBack();
    if (over.name.unit === 'items' || !(await this.#recountAtLimit(over.name))) throw refusal(over);
    const again = await takeRoom(this.#bus, this.#limitsOf(key, bytes));
    if (again.over === undefined) return again.taken;
    await again.taken.giveBack();
    throw refusal(again.over);
  }

  #beginOnce(key: SessionKey, session: string): Promise<number> {
    const known = this.#beginning.get(session);
    if (known !== undefined) return known;
    const beginning = this.#begin(key).finally(() => this.#beginning.delete(session));
    this.#beginning.set(session, beginning);
    return beginning;
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
    const context = { bus: this.#bus, clock: this.#clock, settleMs: this.#settleMs };
    await (session === undefined ? recountOrg(this.#bus, org) : recountSession(context, { org, session }));
    return true;
  }

  #remember(name: string, recountedAt: number): void {
    this.#known.delete(name);
    this.#known.set(name, recountedAt);
    const [oldest] = this.#known.keys();
    if (oldest !== undefined && this.#known.size > MAX_REMEMBERED) this.#known.delete(oldest);
  }
}

const refusal = ({ name: { session, unit }, most }: Pick<Limit, 'name' | 'most'>): SluiceError => {
  const [whose, remedy] = session === undefined ? ['org', ''] : ['session', '; start a new one'];
  return new SluiceError('quota_exceeded', `${whose}: expected at most ${most} ${unit}${remedy}`);
};
