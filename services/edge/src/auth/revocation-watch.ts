import type { Revocations, Subscription } from '@sluice/bus';
import { RevocationIndex } from '@sluice/core';
import type { Bearer } from '@sluice/core';
import type { Clock, Logger } from '@sluice/runtime';
import { Standing } from './standing.ts';

/** All are read again this often, should one have been missed, ms. */
const LIST_MS = 30_000;
/** A reading that failed is repeated after this long, ms. */
const AGAIN_MS = 1_000;

export type RevocationWatchDeps = {
  readonly revocations: Revocations;
  readonly clock: Clock;
  readonly logger: Logger;
};

/**
 * What is revoked, as far as this edge knows. While NATS is away that is what was known before; after it all are read
 * again. Nobody is told of a change: who holds a grant asks again at every tick.
 */
export class RevocationWatch {
  readonly #deps: RevocationWatchDeps;
  readonly #index = new RevocationIndex();
  #watch: Subscription | undefined;
  #listAt = 0;
  #isListing = false;

  constructor(deps: RevocationWatchDeps) {
    this.#deps = deps;
  }

  /** Resolves once all that are stored are known. @throws BusUnavailableError */
  async open(): Promise<void> {
    const { revocations, logger } = this.#deps;
    this.#watch ??= await revocations.watch((revocation) => {
      this.#index.add(revocation);
      logger.info('access_revoked', { org: revocation.org, of: revocation.of });
    });
    await this.#list();
  }

  close(): void {
    this.#watch?.close();
  }

  /** Whether a token still counts. */
  standing(bearer: Bearer): Standing {
    return new Standing(bearer, this.#index, this.#deps.clock);
  }

  /** Some may have been missed: the next tick reads all. */
  recheck(): void {
    this.#listAt = 0;
  }

  /** Called about twice a second. */
  tick(now: number): void {
    if (now < this.#listAt || this.#isListing) return;
    this.#listAt = now + AGAIN_MS;
    this.#list().catch((error: unknown) => this.#deps.logger.warn('revocations_unread', { error }));
  }

  async #list(): Promise<void> {
    const { revocations, clock } = this.#deps;
    this.#isListing = true;
    try {
      const { revocations: listed, upTo } = await revocations.list();
      this.#index.replace(listed, upTo);
      this.#index.expire(clock.now());
      this.#listAt = clock.now() + LIST_MS;
    } finally {
      this.#isListing = false;
    }
  }
}
