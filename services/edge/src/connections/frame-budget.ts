/** How many refused frames in a row of full seconds count as abuse. */
const ABUSE_FACTOR = 2;

/** What the frames of a connection may come to on average, bytes: of larger ones it may send fewer. */
const MEAN_FRAME_BYTES = 64 * 1024;

/** A connection's allowance of inbound frames: `perSecond` of them, saved up for at most one second. */
export class FrameBudget {
  readonly #perSecond: number;
  /** an allowance of one frame is worth this much */
  readonly #meanBytes: number;
  #left: number;
  #at: number;
  #refused = 0;

  /** @param maxBytes of one frame: two of that size are within every allowance */
  constructor(perSecond: number, maxBytes: number, now: number) {
    this.#perSecond = perSecond;
    this.#meanBytes = Math.max(MEAN_FRAME_BYTES, (2 * maxBytes) / perSecond);
    this.#left = perSecond;
    this.#at = now;
  }

  /** `ok`, or `limited`: answer with rate_limited, or `abuse`: it does not stop, close. */
  take(now: number, bytes: number): 'ok' | 'limited' | 'abuse' {
    const cost = Math.max(1, bytes / this.#meanBytes);
    this.#left = Math.min(this.#perSecond, this.#left + ((now - this.#at) / 1000) * this.#perSecond);
    this.#at = now;
    if (this.#left >= cost) {
      this.#left -= cost;
      this.#refused = Math.max(0, this.#refused - 1);
      return 'ok';
    }
    this.#refused += cost;
    return this.#refused > this.#perSecond * ABUSE_FACTOR ? 'abuse' : 'limited';
  }

  /** ms until one more frame is allowed. */
  get waitMs(): number {
    return Math.ceil(Math.max(0, 1 - this.#left) * (1000 / this.#perSecond));
  }
}
