import type { CloseCode, ReadyFrame } from '@sluice/protocol';
import type { Clock } from '../clock.ts';
import type { Dial, Dialing } from './dialer.ts';
import type { Transport } from './transport.ts';

/** The pause between two looks doubles up to so many times the first. */
const MAX_FACTOR = 20;
const NORMAL: CloseCode = 1000;

type UpgradeOptions = {
  readonly url: string;
  readonly credential: { current(): Promise<string> };
  readonly clock: Clock;
  /** until the first look, ms */
  readonly backoff: { readonly upgradeMs: number };
  /** tries the best transport alone */
  readonly dialBest: Dial;
  /** It works; its new owner calls `handOver` before it returns. */
  readonly found: (transport: Transport, ready: ReadyFrame) => void;
};

/**
 * Looks now and then, while a connection makes do with a lesser transport, whether the best one works by now.
 * Owns one timer and at most one attempt.
 */
export class Upgrade {
  readonly #options: UpgradeOptions;
  #factor = 1;
  #dialing: Dialing | undefined;
  /** while it waits for its next look */
  #cancel: (() => void) | undefined;
  /** counts looks and stops, so that what comes too late is noticed */
  #turn = 0;

  constructor(options: UpgradeOptions) {
    this.#options = options;
    this.#arm();
  }

  /** The network has changed: looks at once, if it waits to look. */
  hurry(): void {
    if (this.#cancel === undefined) return;
    this.#cancel();
    this.#factor = 1;
    void this.#look();
  }

  stop(): void {
    this.#turn += 1;
    this.#cancel?.();
    this.#cancel = undefined;
    void this.#dialing?.close(NORMAL, 'not needed');
    this.#dialing = undefined;
  }

  #arm(): void {
    const { clock, backoff } = this.#options;
    const ms = backoff.upgradeMs * this.#factor * (0.75 + clock.random() / 2);
    this.#factor = Math.min(this.#factor * 2, MAX_FACTOR);
    this.#cancel = clock.after(ms, () => void this.#look());
  }

  async #look(): Promise<void> {
    const { credential, url, dialBest, found } = this.#options;
    this.#cancel = undefined;
    this.#turn += 1;
    const turn = this.#turn;
    const failed = (): void => {
      if (turn !== this.#turn) return;
      this.stop();
      this.#arm();
    };
    const ready = (transport: Transport, frame: ReadyFrame): void => {
      this.#dialing = undefined;
      this.stop();
      found(transport, frame);
    };
    try {
      const endpoint = { url, token: await credential.current() };
      if (turn === this.#turn) this.#dialing = dialBest(endpoint, { ready, broken: failed, closed: failed });
    } catch {
      // Why there is no token is told by the connection itself, when it needs one.
      failed();
    }
  }
}
