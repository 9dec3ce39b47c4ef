import type { AckFrame, ClientFrame } from '@sluice/protocol';
import type { Clock } from '../clock.ts';
import type { Transport } from '../link/transport.ts';

type OutboxOptions = {
  readonly clock: Clock;
  /** what the server allows on one connection */
  readonly maxFramesPerSecond: number;
  readonly transport: Pick<Transport, 'send'>;
};

/**
 * Keeps one connection within the server's frame limit, which many generations' acks would exceed and which
 * closes 4429 for good. Half the limit is the burst and half the rate, so that no second sees more than the
 * limit. Acks wait behind requests, at most one per generation: a newer one replaces it, since acks are
 * absolute. Requests are bounded by the application that waits for their answers.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #half: number;
  readonly #frames: ClientFrame[] = [];
  readonly #acks = new Map<string, AckFrame>();
  #budget: number;
  #refilledAt: number;
  #cancel: (() => void) | undefined;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#half = Math.max(1, options.maxFramesPerSecond / 2);
    this.#budget = this.#half;
    this.#refilledAt = options.clock.now();
  }

  push(frame: ClientFrame): void {
    if (frame.type === 'ack') this.#acks.set(`${frame.session} ${frame.generation}`, frame);
    else this.#frames.push(frame);
    if (this.#cancel === undefined) this.#drain();
  }

  stop(): void {
    this.#cancel?.();
  }

  #drain(): void {
    this.#refill();
    while (this.#budget >= 1) {
      const frame = this.#next();
      if (frame === undefined) return;
      this.#budget -= 1;
      this.#options.transport.send(frame);
    }
    if (this.#frames.length + this.#acks.size === 0) return;
    const ms = ((1 - this.#budget) / this.#half) * 1000;
    this.#cancel = this.#options.clock.after(ms, () => {
      this.#cancel = undefined;
      this.#drain();
    });
  }

  #next(): ClientFrame | undefined {
    const frame = this.#frames.shift();
    if (frame !== undefined) return frame;
    for (const [key, ack] of this.#acks) {
      this.#acks.delete(key);
      return ack;
    }
    return undefined;
  }

  #refill(): void {
    const now = this.#options.clock.now();
    const earned = ((now - this.#refilledAt) / 1000) * this.#half;
    this.#budget = Math.min(this.#half, this.#budget + earned);
    this.#refilledAt = now;
  }
}
