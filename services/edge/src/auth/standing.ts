import type { Bearer, RevocationIndex } from '@sluice/core';
import type { Clock } from '@sluice/runtime';

/** Whether a token still counts, asked anew whenever it matters. One object each: every connection holds one. */
export class Standing {
  readonly #index: RevocationIndex;
  readonly #clock: Clock;
  readonly #bearer: Bearer;
  /** versions of the index at which it was not revoked, and at which its bearer was last told of news */
  #clearedAt: number | undefined;
  #toldAt: number | undefined;

  constructor(bearer: Bearer, index: RevocationIndex, clock: Clock) {
    this.#bearer = bearer;
    this.#index = index;
    this.#clock = clock;
  }

  /** Whether it counts no more; this costs nothing while there is nothing new. */
  isRevoked(): boolean {
    const { version } = this.#index;
    if (this.#clearedAt === version) return false;
    const isRevoked = this.#index.revokes(this.#bearer, this.#clock.now());
    if (!isRevoked) this.#clearedAt = version;
    return isRevoked;
  }

  /** Whether a session is closed to it. */
  closes(session: string): boolean {
    return this.#index.closes(session, this.#bearer, this.#clock.now());
  }

  /** Whether a session may have been closed since this was last asked. */
  takeNews(): boolean {
    const { version } = this.#index;
    const isNews = this.#toldAt !== version;
    this.#toldAt = version;
    return isNews;
  }
}
