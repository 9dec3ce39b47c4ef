import type { Clock } from '../clock.ts';

/** How long an idle link may take to answer a ping, ms. */
const PONG_TIMEOUT_MS = 10_000;

type HeartbeatOptions = {
  readonly clock: Clock;
  /** silence after which the link is asked, ms */
  readonly intervalMs: number;
  readonly ping: () => void;
  readonly dead: () => void;
};

/**
 * Notices a half-open link: a browser hides WebSocket pings from the page, so silence is broken by a `ping`
 * frame, and any frame counts as the answer. Owns one timer, which frames never touch: it looks at the time of
 * the last one when it fires.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  #heardAt: number;
  #deadline: number | undefined;
  #cancel: () => void = () => undefined;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#heardAt = options.clock.now();
    this.#arm(options.intervalMs);
  }

  /** A frame came. */
  heard(): void {
    this.#heardAt = this.#options.clock.now();
    this.#deadline = undefined;
  }

  /** Asks at once and expects a frame within `deadlineMs`. */
  probe(deadlineMs: number): void {
    const deadline = this.#options.clock.now() + deadlineMs;
    this.#deadline = Math.min(this.#deadline ?? deadline, deadline);
    this.#options.ping();
    this.#look();
  }

  stop(): void {
    this.#cancel();
  }

  #arm(ms: number): void {
    this.#cancel();
    this.#cancel = this.#options.clock.after(ms, () => this.#look());
  }

  #look(): void {
    const now = this.#options.clock.now();
    if (this.#deadline !== undefined) {
      if (now >= this.#deadline) this.#options.dead();
      else this.#arm(this.#deadline - now);
      return;
    }
    const askAt = this.#heardAt + this.#options.intervalMs;
    if (now >= askAt) this.probe(PONG_TIMEOUT_MS);
    else this.#arm(askAt - now);
  }
}
