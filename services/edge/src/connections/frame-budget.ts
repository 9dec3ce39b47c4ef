/** How many refused frames in a row of full seconds count as abuse. */
const ABUSE_FACTOR = 2;

/** A connection's allowance of inbound frames: `perSecond` of them, saved up for at most one second. */
export class FrameBudget {
  readonly #perSecond: number;
  #left: number;
  #at: number;
  #refused = 0;

  constructor(perSecond: number, now: number) {
    this.#perSecond = perSecond;
    this.#left = perSecond;
    this.#at = now;
  }

  /** `ok`, or `limited`: answer with rate_limited, or `abuse`: it does not stop, close. */
  take(now: number): 'ok' | 'limited' | 'abuse' {
    this.#left = Math.min(this.#perSecond, this.#left + ((now - this.#at) / 1000) * this.#perSecond);
    this.#at = now;
    if (this.#left >= 1) {
      this.#left -= 1;
      this.#refused = Math.max(0, this.#refused - 1);
      return 'ok';
    }
    this.#refused += 1;
    return this.#refused > this.#perSecond * ABUSE_FACTOR ? 'abuse' : 'limited';
  }

  /** ms until one more frame is allowed. */
  get waitMs(): number {
    return Math.ceil(Math.max(0, 1 - this.#left) * (1000 / this.#perSecond));
  }
}
