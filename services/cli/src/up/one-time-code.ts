import { randomBytes, timingSafeEqual } from 'node:crypto';

const CODE_BYTES = 16;
/** Time to click a link in a terminal. */
export const CODE_TTL_MS = 10 * 60_000;

/** Stands for something longer in a link, once and for minutes: a link is copied, logged by terminals and remembered by browsers. */
export class OneTimeCode {
  readonly code = randomBytes(CODE_BYTES).toString('base64url');
  readonly #endsAtMs: number;
  #isUsed = false;

  constructor(nowMs: number) {
    this.#endsAtMs = nowMs + CODE_TTL_MS;
  }

  /** @returns whether this is the code, in time and for the first time */
  use(given: string, nowMs: number): boolean {
    const [expected, came] = [Buffer.from(this.code), Buffer.from(given)];
    if (expected.length !== came.length || !timingSafeEqual(expected, came)) return false;
    if (this.#isUsed || nowMs >= this.#endsAtMs) return false;
    this.#isUsed = true;
    return true;
  }
}
