import type { Bus, CounterName } from '@sluice/bus';
import { SluiceError } from '@sluice/protocol';
import type { Org, SessionKey } from '@sluice/protocol';
import { Creations } from './creations.ts';
import { sizesOf } from './item-size.ts';
import { limitsOf, orgCounter, refusalOf, sessionCounters, UNLIMITED } from './limits.ts';
import type { Demand, Limit, OrgQuota, SessionLimits } from './limits.ts';
import { recountBytes, recountGenerations, recountSession } from './recount.ts';
import { Refusals } from './refusals.ts';
import type { Refused } from './refusals.ts';
import { takeRoom } from './reservation.ts';
import type { Reservation } from './reservation.ts';

export type RoomDeps = {
  readonly bus: Bus;
  readonly clock: { now(): number; setTimeout(fn: () => void, ms: number): unknown };
  readonly limits: SessionLimits;
  /** what an org and its users may have and do at the moment; default all */
  readonly quotaOf?: (org: Org) => OrgQuota;
  /** see {@link RecountContext} */
  readonly settleMs?: number;
};

/** A limit is not recounted more often, ms. */
const RECOUNT_MS = 60_000;
/** A first try has stored what it took room for by then, or never will, ms. */
const ELSEWHERE_MS = 200;
/** Most sessions, users and orgs that are remembered. */
const MAX_REMEMBERED = 10_000;

/**
 * The room of sessions, users and orgs, counted over all edges. It is taken before an item is created and given back when
 * it is not, so a crash in between leaves a counter too high and never too low. A counter that refuses is compared with
 * what it counts first.
 */
export class Room {
  readonly #deps: RoomDeps;
  /** what takes room here at the moment */
  readonly creations = new Creations();
  readonly #refusals = new Refusals();
  /** what was met lately, and when it was last recounted; oldest first */
  readonly #known = new Map<string, number>();
  /** sessions whose counters are being begun: whoever comes meanwhile waits for that */
  readonly #beginning = new Map<string, Promise<number>>();

  constructor(deps: RoomDeps) {
    this.#deps = deps;
  }

  /** What refuses this for certain, as far as is remembered: without a look at any counter. */
  refusal(key: SessionKey, demand: Demand): SluiceError | undefined {
    return this.#refusalOf(this.#limitsOf(key, demand));
  }

  /**
   * The look before a reservation, which may be made beside other reads: begins the counters of a session that has none.
   * @param newestRev reads that of the session, where somebody else reads it too
   * @throws SluiceError quota_exceeded when there is no room for one more item; BusUnavailableError
   */
  async look(key: SessionKey, newestRev = () => this.#deps.bus.sessions.newestRev(key)): Promise<void> {
    const { bus, clock, limits } = this.#deps;
    const [name] = sessionCounters(key);
    const session = `${key.org}.${key.session}`;
    // One that is new here is probably new everywhere: without items there is nothing to begin a counter with.
    if (!this.#known.has(session)) {
      const rev = await newestRev();
      this.#remember(session, -Infinity);
      if (rev === 0) return;
    }
    const value = (await bus.counters.read(name))?.value ?? (await this.#beginOnce(key, session));
    const most = limits.maxItemsPerSession;
    if (value < most) return;
    if ((await this.#recountAtLimit(name)) && (await this.#valueOf(name)) < most) return;
    throw refusalOf({ name, most }, value, clock.now());
  }

  /**
   * Takes room for one item.
   * @param look of this session, when it was begun before
   * @throws SluiceError quota_exceeded, rate_limited naming the limit; BusUnavailableError
   */
  async reserve(key: SessionKey, demand: Demand, look?: Promise<void>): Promise<Reservation> {
    const limits = this.#limitsOf(key, demand);
    const refusal = this.#refusalOf(limits);
    if (refusal !== undefined) throw refusal;
    await (look ?? this.look(key));
    await this.#checkDoubtful(limits);
    const { taken, over } = await takeRoom(this.#deps.bus, limits);
    const [first] = over;
    if (first === undefined) return taken;
    await taken.giveBack();
    // What was just given back has not rested, so a number is recounted at a later look.
    const isFound = first.limit.name.unit === 'bytes' && (await this.#recountAtLimit(first.limit.name));
    if (!isFound) throw this.#refused(over);
    const again = await takeRoom(this.#deps.bus, limits);
    if (again.over.length === 0) return again.taken;
    await again.taken.giveBack();
    throw this.#refused(again.over);
  }

  /**
   * Takes room for what may be stored by now: a repeat needs none. Its first try may be on its way over another edge, and have
   * taken the last room, so a refusal looks for it again a moment later.
   * @returns undefined: it is stored
   */
  async reserveUnless(
    stored: () => Promise<unknown>,
    reserve: () => Promise<Reservation>,
  ): Promise<Reservation | undefined> {
    try {
      return await reserve();
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error;
      if ((await stored()) !== undefined) return undefined;
      await new Promise<void>((resolve) => void this.#deps.clock.setTimeout(resolve, ELSEWHERE_MS));
      if ((await stored()) !== undefined) return undefined;
      throw error;
    }
  }

  #refusalOf(limits: readonly Limit[]): SluiceError | undefined {
    const now = this.#deps.clock.now();
    const known = this.#refusals.find(limits, now);
    return known && refusalOf(known.limit, known.used, now);
  }

  /** Reads what refused before: a counter that is added to at each try would never rest. */
  async #checkDoubtful(limits: readonly Limit[]): Promise<void> {
    const refused = async (limit: Limit): Promise<Refused | readonly never[]> => {
      const used = await this.#valueOf(limit.name);
      if (used + limit.amount > limit.most) {
        if (!(await this.#recountAtLimit(limit.name))) return { limit, used };
        const now = await this.#valueOf(limit.name);
        if (now + limit.amount > limit.most) return { limit, used: now };
      }
      this.#refusals.forget(limit);
      return [];
    };
    const over = (await Promise.all(this.#refusals.doubtful(limits).map(refused))).flat();
    if (over.length > 0) throw this.#refused(over);
  }

  /** Remembers what is over, and tells the first. */
  #refused(over: readonly Refused[]): SluiceError {
    const now = this.#deps.clock.now();
    // A session's own limits are read before they are added to.
    for (const each of over) if (each.limit.title !== undefined) this.#refusals.note(each, now);
    const [{ limit, used }] = over as readonly [Refused];
    return refusalOf(limit, used, now);
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
    const { counters } = this.#deps.bus;
    const { users, ...all } = await sizesOf(this.#deps.bus, key);
    if (all.items === 0) return 0;
    const [items] = sessionCounters(key);
    // What was created meanwhile was counted before, so then there is a counter.
    if ((await counters.read(items)) === undefined) {
      const begun = [[undefined, all] as const, ...users].map(async ([user, sizes]) => {
        const of = user === undefined ? {} : { user };
        const [ofItems, ofBytes] = sessionCounters(key);
        const beginning = [
          counters.begin({ ...ofItems, ...of }, sizes.items),
          counters.begin({ ...ofBytes, ...of }, sizes.bytes),
        ];
        const [, isCounted] = await Promise.all(beginning);
        if (isCounted === true) await counters.add({ ...orgCounter(key), ...of }, sizes.bytes);
      });
      await Promise.all(begun);
    }
    return this.#valueOf(items);
  }

  async #valueOf(name: CounterName): Promise<number> {
    return (await this.#deps.bus.counters.read(name))?.value ?? 0;
  }

  #limitsOf(key: SessionKey, demand: Demand): readonly Limit[] {
    const { limits: session, quotaOf = () => UNLIMITED, clock } = this.#deps;
    return limitsOf(key, demand, { session, quota: quotaOf(key.org), now: clock.now() });
  }

  /** @returns false where it was recounted a moment ago, or cannot be */
  async #recountAtLimit({ org, session, user, minute, unit }: CounterName): Promise<boolean> {
    const { bus, clock, settleMs } = this.#deps;
    if (minute !== undefined) return false;
    const ofSession = session === undefined ? org : `${org}.${session}`;
    const name =
      session === undefined || user !== undefined ? `${ofSession} ${unit} ${user ?? ''}` : ofSession;
    const now = clock.now();
    if (now - (this.#known.get(name) ?? -Infinity) < RECOUNT_MS) return false;
    this.#remember(name, now);
    const context = { bus, clock, settleMs };
    if (session !== undefined) await recountSession(context, { org, session }, user);
    else if (unit === 'bytes') await recountBytes(bus, org, user);
    else await recountGenerations(context, org, user);
    return true;
  }

  #remember(name: string, recountedAt: number): void {
    this.#known.delete(name);
    this.#known.set(name, recountedAt);
    const [oldest] = this.#known.keys();
    if (oldest !== undefined && this.#known.size > MAX_REMEMBERED) this.#known.delete(oldest);
  }
}
