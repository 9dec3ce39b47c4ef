import type { Bus, CounterName } from '@sluice/bus';
import { minuteOf, restOfMinute } from '@sluice/lifecycle';
import type { Clock } from '@sluice/runtime';

/** Leases are renewed for the next minute in the last so many ms of one: clocks of edges may differ by less. */
const RENEW_MS = 30_000;
/** Ticks that one renewal is spread over, and the fewest leases of each. */
const RENEW_TICKS = 40;
const RENEW_AT_LEAST = 50;

/** Connections here of one user, or of a whole org. */
type Lease = {
  readonly name: Omit<CounterName, 'minute'>;
  open: number;
  /** the newest minute whose counter has them */
  minute: number;
};

/**
 * Counts connections over all edges. The counters are of a minute, and every edge adds what it has to the next one's before
 * it begins: so connections of an edge that died are forgotten with their minutes, and nobody has to notice.
 */
export class ConnectionLeases {
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #leases = new Map<string, Lease>();
  /** what is left to be renewed, and for which minute: whatever comes meanwhile is counted in that as well */
  #due: Lease[] = [];
  #dueFor = 0;

  constructor(bus: Bus, clock: Clock) {
    this.#bus = bus;
    this.#clock = clock;
  }

  /** How many are open here. */
  open(name: Lease['name']): number {
    return this.#leases.get(idOf(name))?.open ?? 0;
  }

  /**
   * Counts one in, at once here, and over all edges by the time this resolves.
   * @returns how many there are then; undefined: NATS does not say
   */
  async enter(name: Lease['name']): Promise<number | undefined> {
    const minute = minuteOf(this.#clock.now());
    const lease = this.#leases.get(idOf(name)) ?? { name, open: 0, minute: Math.max(minute, this.#dueFor) };
    this.#leases.set(idOf(name), lease);
    lease.open += 1;
    // An edge that slept through the renewal comes back with all it has.
    const added = this.#add(lease, minute, lease.minute < minute ? lease.open : 1);
    for (let next = minute + 1; next <= lease.minute; next += 1) void this.#add(lease, next, 1);
    lease.minute = Math.max(lease.minute, minute);
    return added;
  }

  leave(name: Lease['name']): void {
    const lease = this.#leases.get(idOf(name));
    if (lease === undefined) return;
    lease.open -= 1;
    if (lease.open === 0) this.#leases.delete(idOf(name));
    for (let minute = minuteOf(this.#clock.now()); minute <= lease.minute; minute += 1)
      void this.#add(lease, minute, -1);
  }

  /** Called twice a second. */
  tick(now: number): void {
    const minute = minuteOf(now) + (restOfMinute(now) <= RENEW_MS ? 1 : 0);
    if (this.#dueFor < minute) {
      this.#dueFor = minute;
      this.#due = [...this.#leases.values()];
    }
    const count = Math.max(RENEW_AT_LEAST, Math.ceil(this.#leases.size / RENEW_TICKS));
    for (const lease of this.#due.splice(0, count)) {
      if (lease.open === 0 || lease.minute >= this.#dueFor) continue;
      lease.minute = this.#dueFor;
      void this.#add(lease, this.#dueFor, lease.open);
    }
  }

  /** Counts all out: nobody waits for their minutes to pass. */
  close(): void {
    for (const lease of this.#leases.values())
      for (let minute = minuteOf(this.#clock.now()); minute <= lease.minute; minute += 1)
        void this.#add(lease, minute, -lease.open);
    this.#leases.clear();
  }

  /** What is lost while NATS is away is counted again with the next minute. */
  async #add({ name }: Lease, minute: number, amount: number): Promise<number | undefined> {
    if (!this.#bus.link.connected) return undefined;
    return this.#bus.counters.add({ ...name, minute }, amount).catch(() => undefined);
  }
}

const idOf = ({ org, user = '' }: Lease['name']): string => `${org} ${user}`;
