import { ACK_INTERVAL_MS } from '@sluice/protocol';

/** Something that owes an ack since its first un-acked frame. */
export type Acker = { ackIfDue(): void };

const TICK_MS = 5;

/**
 * Calls each acker once, 250 ms after it was added. All wait equally long, so a queue and one timer
 * serve any number of them.
 */
export class AckClock {
  readonly #queue: { readonly acker: Acker; readonly dueAt: number }[] = [];
  #first = 0;
  readonly #timer = setInterval(() => this.#tick(), TICK_MS);

  add(acker: Acker): void {
    this.#queue.push({ acker, dueAt: performance.now() + ACK_INTERVAL_MS });
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const now = performance.now();
    for (let entry = this.#queue[this.#first]; entry !== undefined && entry.dueAt <= now;) {
      entry.acker.ackIfDue();
      this.#first += 1;
      entry = this.#queue[this.#first];
    }
    this.#queue.splice(0, this.#first);
    this.#first = 0;
  }
}
