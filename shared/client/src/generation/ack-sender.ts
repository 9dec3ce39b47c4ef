import type { AckFrame } from '@sluice/protocol';
import type { Clock } from '../clock.ts';
import type { Track } from './track.ts';

type AckSenderOptions = {
  readonly clock: Clock;
  /** where acks go */
  readonly uplink: { send(frame: AckFrame): boolean };
};

/** Sends the acks of one session when they are due. Owns one timer for all of its generations. */
export class AckSender {
  readonly #session: string;
  readonly #options: AckSenderOptions;
  readonly #owing = new Set<Track>();
  #cancel: (() => void) | undefined;

  constructor(session: string, options: AckSenderOptions) {
    this.#session = session;
    this.#options = options;
  }

  /** Something of this generation was processed, or it ended. */
  look(track: Track): void {
    const { clock, uplink } = this.#options;
    const now = clock.now();
    const seq = track.acks?.take(now);
    if (seq !== undefined) {
      const { epoch } = track.content.position;
      uplink.send({ type: 'ack', session: this.#session, generation: track.id, epoch, seq });
    }
    const dueAt = track.acks?.dueAt;
    if (dueAt === undefined) {
      this.#owing.delete(track);
      return;
    }
    this.#owing.add(track);
    // The first to owe sets the timer; whoever owes later is due later.
    this.#cancel ??= clock.after(dueAt - now, () => {
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
