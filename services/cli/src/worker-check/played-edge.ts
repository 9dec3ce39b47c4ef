import { randomUUID } from 'node:crypto';
import type { Control } from '@sluice/bus';
import type { GenerationKey, Position } from '@sluice/protocol';

/** Real edges repeat their acks every second while a run is silent; a check is in more of a hurry, ms. */
const REPEAT_MS = 250;

/**
 * One edge with one viewer of a generation. What it acked last is repeated, as edges do: a worker may
 * listen only a moment after its claim.
 */
export class PlayedEdge {
  readonly #control: Control;
  readonly #key: GenerationKey;
  readonly #edge = `check-${randomUUID().slice(0, 8)}`;
  readonly #repeating: NodeJS.Timeout;
  #at: Position = { epoch: 0, seq: 0 };
  #viewers = 1;
  #follows = false;

  constructor(control: Control, key: GenerationKey) {
    this.#control = control;
    this.#key = key;
    this.#repeating = setInterval(() => this.#send(), REPEAT_MS);
    this.#send();
  }

  ack(seq: number, epoch = 0): void {
    this.#at = { epoch, seq };
    this.#send();
  }

  /** From now on its viewer reads along: everything stored is acked at once. */
  follow(head: Position): void {
    this.#follows = true;
    this.ack(head.seq, head.epoch);
  }

  onStored({ epoch, seq }: Position): void {
    if (this.#follows) this.ack(seq, epoch);
  }

  /** Its viewer is gone. */
  leave(): void {
    this.#follows = false;
    this.#viewers = 0;
    this.#send();
  }

  close(): void {
    clearInterval(this.#repeating);
  }

  #send(): void {
    const viewers = this.#viewers;
    this.#control.ack(this.#key, { type: 'ack', edge: this.#edge, ...this.#at, viewers });
  }
}
