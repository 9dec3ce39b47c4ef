import { ABANDONED_AFTER_MS } from '@sluice/core';
import type { GenerationKey, Org } from '@sluice/protocol';

const MAX_PARKED = 10_000;

type Parked = { readonly key: GenerationKey; readonly at: number; readonly saved: number };

/**
 * What this worker has parked and nobody has taken up again since, as far as it hears. One that is cancelled
 * meanwhile is not heard of: it counts until its time is up.
 */
export class ParkedRuns {
  readonly #parked = new Map<string, Parked>();
  readonly #onAbandoned: (org: Org, saved: number) => void;

  /** @param onAbandoned its time is up: the tokens it would still have made are saved for good */
  constructor(onAbandoned: (org: Org, saved: number) => void) {
    this.#onAbandoned = onAbandoned;
  }

  /** @param saved tokens it would still have made */
  add(key: GenerationKey, saved: number, now: number): void {
    const [oldest] = this.#parked.keys();
    if (this.#parked.size >= MAX_PARKED && oldest !== undefined) this.#settle(oldest);
    this.#parked.set(pathOf(key), { key, at: now, saved });
  }

  /** These run now, here or elsewhere. */
  running(keys: readonly GenerationKey[]): void {
    if (this.#parked.size === 0) return;
    for (const key of keys) this.#parked.delete(pathOf(key));
  }

  tick(now: number): void {
    for (const [path, { at }] of this.#parked) {
      // In the order of parking: the next ones are younger.
      if (now - at < ABANDONED_AFTER_MS) return;
      this.#settle(path);
    }
  }

  /** @param org undefined: of all orgs */
  load(org?: Org): { readonly parked: number; readonly saved: number } {
    let [parked, saved] = [0, 0];
    for (const { key, saved: tokens } of this.#parked.values()) {
      if (org !== undefined && key.org !== org) continue;
      parked += 1;
      saved += tokens;
    }
    return { parked, saved };
  }

  #settle(path: string): void {
    const entry = this.#parked.get(path);
    this.#parked.delete(path);
    if (entry !== undefined) this.#onAbandoned(entry.key.org, entry.saved);
  }
}

const pathOf = ({ org, session, generation }: GenerationKey): string => `${org}.${session}.${generation}`;
