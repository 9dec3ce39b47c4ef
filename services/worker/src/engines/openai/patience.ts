import { setTimeout as delay } from 'node:timers/promises';
import { EngineError } from '@sluice/core';

export type PatienceOptions = {
  /** ms that one run may wait in all */
  readonly mostMs: number;
  /** called before each wait */
  readonly onWaiting: () => void;
  /** default Math.random: runs that were refused together do not all come back together */
  readonly random?: () => number;
};

/** A longer wait is the client's own: here it would hold a slot that others could use, ms. */
const LONGEST_WAIT_MS = 5_000;
const FIRST_WAIT_MS = 500;
/** Too many requests; and a server, or the proxy before it, that is not ready at the moment. */
const PASSING: ReadonlySet<number> = new Set([429, 502, 503, 504, 529]);

/** How long one run waits for an upstream that has refused it for the moment: nobody has seen anything of it yet. */
export class Patience {
  readonly #options: PatienceOptions;
  #leftMs: number;
  #waits = 0;

  constructor(options: PatienceOptions) {
    this.#options = options;
    this.#leftMs = options.mostMs;
  }

  /** Resolves when the run may be tried again. @throws the failure when it will not pass soon; the signal's reason */
  async outlast(failure: unknown, signal: AbortSignal): Promise<void> {
    const waitMs = this.#waitOf(failure);
    if (waitMs === undefined || waitMs > this.#leftMs) throw failure;
    this.#leftMs -= waitMs;
    this.#waits += 1;
    this.#options.onWaiting();
    await delay(waitMs, undefined, { signal }).catch(() => signal.throwIfAborted());
  }

  #waitOf(failure: unknown): number | undefined {
    if (!(failure instanceof EngineError) || !PASSING.has(failure.status ?? 0)) return undefined;
    const { random = Math.random } = this.#options;
    const told = failure.upstream?.retryAfterMs;
    if (told === undefined)
      return Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#waits) * (0.5 + random() / 2);
    // A little later than told, and never at once: a server that says 0 means soon.
    return told > LONGEST_WAIT_MS ? undefined : Math.max(FIRST_WAIT_MS / 2, told) + random() * 100;
  }
}
