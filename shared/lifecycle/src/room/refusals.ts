import type { CounterName } from '@sluice/bus';
import { retryAfter } from './limits.ts';
import type { Limit } from './limits.ts';

/** Most limits that are remembered. */
const MAX_REMEMBERED = 10_000;
/** A limit that does not begin anew with the minute is asked again after this long, ms. */
const AGAIN_MS = 1_000;

export type Refused = { readonly limit: Limit; readonly used: number };

type Reached = { readonly used: number; readonly until: number };

/**
 * Limits that were reached a moment ago: whoever goes on asking costs no request to NATS, or one, rather than one for each
 * counter.
 */
export class Refusals {
  /** by counter, oldest first */
  readonly #reached = new Map<string, Reached>();

  note({ limit, used }: Refused, now: number): void {
    const { minute } = limit.name;
    const until = now + (minute === undefined ? AGAIN_MS : retryAfter(limit, now));
    const id = idOf(limit.name);
    this.#reached.delete(id);
    this.#reached.set(id, { used, until });
    const [oldest] = this.#reached.keys();
    if (oldest !== undefined && this.#reached.size > MAX_REMEMBERED) this.#reached.delete(oldest);
  }

  /** The first that surely refuses at this time. */
  find(limits: readonly Limit[], now: number): Refused | undefined {
    for (const limit of limits) {
      const reached = this.#reached.get(idOf(limit.name));
      if (reached !== undefined && now < reached.until && reached.used + limit.amount > limit.most)
        return { limit, used: reached.used };
    }
    return undefined;
  }

  /** Those that refused before, and may do so again: to be read before anything is added to them. */
  doubtful(limits: readonly Limit[]): readonly Limit[] {
    return limits.filter(({ name }) => name.minute === undefined && this.#reached.has(idOf(name)));
  }

  forget({ name }: Limit): void {
    this.#reached.delete(idOf(name));
  }
}

const idOf = ({ org, session, user, minute, unit }: CounterName): string =>
  JSON.stringify([org, session, user, minute, unit]);
