import type { Grant } from '../auth/grant.ts';

/** Nobody is refused for longer than this, ms; it also bounds how many users are remembered. */
const MAX_WAIT_MS = 60_000;

type Debt = { readonly bytes: number; readonly at: number };

/**
 * What the signals of each user may make this edge say: bytes times those who get them. Above one second's worth of
 * debt a user waits until it is paid off, so a single signal to a large crowd is possible, and many are not.
 */
export class SignalBudget {
  readonly #bytesPerSecond: number;
  /** by user, the one that signalled longest ago first */
  readonly #debts = new Map<string, Debt>();

  constructor(bytesPerSecond: number) {
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** Takes one signal. @returns 0, or the ms to wait where it was not taken */
  take({ org, user }: Pick<Grant, 'org' | 'user'>, bytes: number, now: number): number {
    this.#forget(now);
    const name = JSON.stringify([org, user]);
    const owed = this.#owed(this.#debts.get(name), now);
    if (owed > this.#bytesPerSecond) return this.#msFor(owed - this.#bytesPerSecond);
    this.#debts.delete(name);
    this.#debts.set(name, { bytes: Math.min(owed + bytes, this.#most), at: now });
    return 0;
  }

  get #most(): number {
    return (this.#bytesPerSecond * MAX_WAIT_MS) / 1000;
  }

  #owed(debt: Debt | undefined, now: number): number {
    if (debt === undefined) return 0;
    return Math.max(0, debt.bytes - ((now - debt.at) / 1000) * this.#bytesPerSecond);
  }

  #msFor(bytes: number): number {
    return Math.ceil((bytes / this.#bytesPerSecond) * 1000);
  }

  #forget(now: number): void {
    for (const [name, debt] of this.#debts) {
      if (this.#owed(debt, now) > 0) return;
      this.#debts.delete(name);
    }
  }
}
