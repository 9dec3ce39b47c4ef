import type { Clock } from '../clock.ts';
import type { Track } from './track.ts';

type SendAck = (track: Track, seq: number) => void;

/** Sends the acks of one attachment when they are due. Owns one timer for all of its generations. */
export class AckSender {
  readonly #clock: Clock;
  readonly #send: SendAck;
  readonly #owing = new Set<Track>();
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, send: SendAck) {
    this.#clock = clock;
    this.#send = send;
  }

  /** Something of this generation was processed, or it ended. */
  look(track: Track): void {
    const now = this.#clock.now();
    const seq = track.acker?.take(now);
    if (seq !== undefined) this.#send(track, seq);
    const dueAt = track.acker?.dueAt;
    if (dueAt === undefined) {
      this.#owing.delete(track);
      return;
    }
    this.#owing.add(track);
    // The first to owe sets the timer; whoever owes later is due later.
    this.#cancel ??= this.#clock.after(Math.max(0, Math.ceil(dueAt - now)), () => {
      this.#cancel = undefined;
      for (const owing of [...this.#owing]) this.look(owing);
    });
  }

  /** The attachment is over, and with it everything owed. */
  clear(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#owing.clear();
  }
}
