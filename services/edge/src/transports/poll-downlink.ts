import { CLOSE_CODES } from '@sluice/protocol';
import type { Clock } from '@sluice/runtime';
import type { Downlink, DownlinkListener } from './downlink.ts';

/** A client that has not polled for this long is gone, ms; clients repeat a failed poll well within it. */
const UNPOLLED_MS = 10_000;

/**
 * Frames that are asked for. What was handed out is kept until the next request confirms it, so an answer that
 * got lost is given again. While anything waits nothing more should be written: a viewer then gets all that was
 * due meanwhile as one frame, and what is kept stays small.
 */
export class PollDownlink implements Downlink {
  readonly #listener: DownlinkListener;
  readonly #clock: Clock;
  /** not confirmed yet, oldest first */
  #payloads: Buffer[] = [];
  #waiting = 0;
  #confirmed = 0;
  #isEnded = false;
  #isGone = false;
  #requests = 0;
  #askedAt: number;
  /** answers the request that waits */
  #answer: () => void = () => undefined;

  constructor(clock: Clock, listener: DownlinkListener) {
    this.#clock = clock;
    this.#askedAt = clock.now();
    this.#listener = listener;
  }

  get writable(): boolean {
    return this.#payloads.length === 0;
  }

  get waiting(): number {
    return this.#waiting;
  }

  write(payload: Buffer): void {
    if (this.#isEnded) return;
    this.#payloads.push(payload);
    this.#waiting += payload.length;
    this.#answer();
  }

  end(): void {
    this.#isEnded = true;
    this.#answer();
  }

  destroy(): void {
    if (this.#isGone) return;
    this.#isGone = this.#isEnded = true;
    this.#answer();
    this.#listener.gone();
  }

  /**
   * What follows the first `after` frames, one a line, as soon as there is any; nothing after `waitMs`, or when
   * the asker hangs up. A second request answers the first.
   * @returns undefined when those frames are not here
   */
  async take(after: number, waitMs: number, hangUp?: AbortSignal): Promise<string | undefined> {
    this.#answer();
    if (this.#isGone || !this.#confirm(after)) return undefined;
    this.#requests += 1;
    if (this.#payloads.length === 0) this.#listener.drained();
    if (this.#payloads.length === 0 && !this.#isEnded) await this.#more(waitMs, hangUp);
    this.#requests -= 1;
    this.#askedAt = this.#clock.now();
    const text = this.#payloads.map((payload) => payload.toString()).join('\n');
    if (this.#isEnded) this.destroy();
    return text;
  }

  tick(now: number): ReturnType<Downlink['tick']> {
    if (this.#requests > 0 || now - this.#askedAt < UNPOLLED_MS) return undefined;
    return { code: CLOSE_CODES.heartbeatMissed, reason: 'nobody asked for frames' };
  }

  #confirm(after: number): boolean {
    const count = after - this.#confirmed;
    if (count < 0 || count > this.#payloads.length) return false;
    this.#confirmed = after;
    for (const { length } of this.#payloads.splice(0, count)) this.#waiting -= length;
    return true;
  }

  #more(waitMs: number, hangUp: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#clock.setTimeout(resolve, waitMs);
      this.#answer = () => {
        this.#clock.clearTimeout(timer);
        resolve();
      };
      hangUp?.addEventListener('abort', this.#answer, { once: true });
    });
  }
}
