import type { CloseCode, ReadyFrame } from '@sluice/protocol';
import type { Clock } from '../clock.ts';
import type { Credential } from '../connection/credential.ts';
import type { Link, LinkListener } from './link.ts';
import type { OpenTransport, Transport } from './transport.ts';

/** The pause between two looks doubles up to so many times the first. */
const MAX_FACTOR = 20;
const NORMAL: CloseCode = 1000;

type UpgradeOptions = {
  readonly url: string;
  readonly credential: Credential;
  readonly clock: Clock;
  /** until the first look, ms */
  readonly upgradeMs: number;
  /** opens the best transport */
  readonly openBest: OpenTransport;
  readonly link: (transport: Transport, listener: LinkListener) => Link;
  /** A link that is ready; its new owner calls `handOver`. */
  readonly found: (link: Link, ready: ReadyFrame) => void;
};

/**
 * Looks now and then, while a connection makes do with a lesser transport, whether the best one works by now.
 * Owns one timer and at most one link that is being tried.
 */
export class Upgrade {
  readonly #options: UpgradeOptions;
  #factor = 1;
  #link: Link | undefined;
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
    this.#link?.close(NORMAL, 'not needed');
    this.#link = undefined;
  }

  #arm(): void {
    const { clock, upgradeMs } = this.#options;
    const ms = upgradeMs * this.#factor * (0.75 + clock.random() / 2);
    this.#factor = Math.min(this.#factor * 2, MAX_FACTOR);
    this.#cancel = clock.after(ms, () => void this.#look());
  }

  async #look(): Promise<void> {
    const { credential, url, openBest } = this.#options;
    this.#cancel = undefined;
    this.#turn += 1;
    const turn = this.#turn;
    const failed = (): void => {
      if (turn !== this.#turn) return;
      this.stop();
      this.#arm();
    };
    try {
      const token = await credential.current();
      if (turn === this.#turn) this.#try(openBest({ url, token }), failed);
    } catch {
      // Why there is no token is told by the connection itself, when it needs one.
      failed();
    }
  }

  #try(transport: Transport, failed: () => void): void {
    const { link, found } = this.#options;
    const tried: Link = link(transport, {
      frame: (frame) => {
        if (frame.type !== 'ready') return;
        this.#link = undefined;
        this.stop();
        found(tried, frame);
      },
      broken: failed,
      closed: failed,
      dead: failed,
    });
    this.#link = tried;
  }
}
