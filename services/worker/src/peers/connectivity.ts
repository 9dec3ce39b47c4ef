import type { Link, Subscription } from '@sluice/bus';
import type { Clock } from '@sluice/runtime';

/** What others are given to find NATS again after this worker has: one try of theirs takes 2 s. */
const RETURN_MS = 3_000;

/**
 * Whether others can be heard at all: the acks of viewers and the beats of workers come over NATS. While it is away,
 * and until others have found it again, a silence says nothing about them.
 */
export class Connectivity {
  readonly #link: Pick<Link, 'connected' | 'onReconnect'>;
  readonly #subscription: Subscription;
  #since = -Infinity;

  constructor(link: Pick<Link, 'connected' | 'onReconnect'>, clock: Clock) {
    this.#link = link;
    this.#subscription = link.onReconnect(() => (this.#since = clock.now() + RETURN_MS));
  }

  /** For how long a silence has been the others' own, ms; 0 while it is not. */
  upFor(now: number): number {
    return this.#link.connected ? Math.max(0, now - this.#since) : 0;
  }

  close(): void {
    this.#subscription.close();
  }
}
