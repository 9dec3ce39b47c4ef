import { createHash } from 'node:crypto';
import type { DeltaFrame, EndFrame } from '@sluice/protocol';

/** What one viewer received of one generation, and every rule of the protocol that was broken on the way. */
export class ReceivedText {
  readonly faults: string[] = [];
  #epoch = 0;
  #seq = 0;
  #text = '';
  #ended = false;

  get seq(): number {
    return this.#seq;
  }
  get ended(): boolean {
    return this.#ended;
  }
  get text(): string {
    return this.#text;
  }

  /** Deltas tile (0, end]: each starts where the one before it ended. */
  delta({ epoch, from, seq, text }: DeltaFrame): void {
    if (this.#ended) this.faults.push(`delta to ${seq} after the end`);
    if (epoch !== this.#epoch || from !== this.#seq || seq <= from)
      this.faults.push(`delta (${from}, ${seq}] of epoch ${epoch} after ${this.#seq} of ${this.#epoch}`);
    this.#seq = seq;
    this.#text += text;
  }

  reset(epoch: number): void {
    this.#epoch = epoch;
    this.#seq = 0;
    this.#text = '';
  }

  end({ seq, reason }: Pick<EndFrame, 'seq' | 'reason'>): void {
    if (this.#ended) this.faults.push('a second end');
    if (seq !== this.#seq) this.faults.push(`end at ${seq} after ${this.#seq}`);
    if (reason !== 'stop' && reason !== 'cancelled') this.faults.push(`end with reason ${reason}`);
    this.#ended = true;
  }

  /** Compares with the whole text of the generation. */
  compare(text: string): void {
    if (!this.#ended) this.faults.push(`no end, ${this.#seq} tokens`);
    const [got, expected] = [fingerprintOf(this.#text), fingerprintOf(text)];
    if (got !== expected) this.faults.push(`text ${got}, expected ${expected}`);
  }
}

/** Tells texts apart, and tells how long they are. */
export const fingerprintOf = (text: string): string =>
  `${createHash('sha256').update(text).digest('hex').slice(0, 12)} of ${text.length} characters`;
