import type { ClientFrame } from '@sluice/protocol';
import type { Clock } from '../clock.ts';
import type { HttpCalls } from './http-calls.ts';

/** Frames of one request, UTF-16 units: the edge takes as many bytes as two of its largest frames. */
const MAX_BATCH = 64 * 1024;

/** How long an ack waits for others, ms. */
const ACK_LINGER_MS = 100;

type PostQueueOptions = {
  readonly calls: HttpCalls;
  readonly clock: Clock;
  readonly failed: (error: unknown) => void;
};

/**
 * Sends frames by POST: one request at a time, hence in order, and what comes meanwhile rides together in the
 * next. Acks that nothing else hurries wait for others, and a newer one of a generation replaces the older.
 */
export class PostQueue {
  readonly #options: PostQueueOptions;
  #frames: ClientFrame[] = [];
  /** frames the edge has confirmed: a request that is repeated is known by it */
  #sent = 0;
  #isBusy = false;
  #cancelLinger: (() => void) | undefined;
  #isHurried = false;
  #onIdle: () => void = () => undefined;

  constructor(options: PostQueueOptions) {
    this.#options = options;
  }

  push(frame: ClientFrame): void {
    if (frame.type === 'ack')
      this.#frames = this.#frames.filter(
        (other) =>
          other.type !== 'ack' || other.session !== frame.session || other.generation !== frame.generation,
      );
    this.#frames.push(frame);
    this.#pump();
  }

  /** Sends what waits without waiting for more. Resolves when all is sent, or cannot be. */
  flush(): Promise<void> {
    this.#isHurried = true;
    return new Promise((resolve) => {
      this.#onIdle = resolve;
      this.#pump();
    });
  }

  /** Drops what waits. */
  stop(): void {
    this.#cancelLinger?.();
    this.#frames = [];
    this.#onIdle();
  }

  #pump(): void {
    if (this.#isBusy) return;
    if (this.#frames.length === 0) return this.#onIdle();
    if (this.#isHurried || this.#frames.some(({ type }) => type !== 'ack')) {
      this.#cancelLinger?.();
      this.#cancelLinger = undefined;
      void this.#post();
    } else
      this.#cancelLinger ??= this.#options.clock.after(ACK_LINGER_MS, () => {
        this.#cancelLinger = undefined;
        void this.#post();
      });
  }

  async #post(): Promise<void> {
    if (this.#isBusy || this.#frames.length === 0) return;
    this.#isBusy = true;
    const lines = this.#takeLines();
    try {
      const path = `/frames?after=${this.#sent}`;
      await this.#options.calls.call({ method: 'POST', path, body: lines.join('\n'), repeatable: true });
      this.#sent += lines.length;
      this.#isBusy = false;
      this.#pump();
    } catch (error) {
      this.stop();
      this.#options.failed(error);
    }
  }

  #takeLines(): string[] {
    const lines: string[] = [];
    for (let size = 0; size < MAX_BATCH;) {
      const frame = this.#frames.shift();
      if (frame === undefined) break;
      const line = JSON.stringify(frame);
      size += line.length;
      lines.push(line);
    }
    return lines;
  }
}
