import { ACK_INTERVAL_MS, ACK_TOKENS } from '@sluice/protocol';

/** What counts as processed: a frame that was received and applied, or one an iterator has consumed. */
export type AckPolicy = 'received' | 'consumed';

/**
 * When to ack one generation on one attachment: a quarter of the window or 8 tokens, or 250 ms after the first
 * frame that is owed, whichever is first; at the end at once. Pure: it knows frames and numbers, its owner has the timer.
 */
export class AckSchedule {
  readonly #quarter: number;
  /** seq of each frame that arrived and is not processed; the server keeps it within the window */
  readonly #unprocessed: number[] = [];
  #seq = 0;
  /** Of an attachment that resumes the first frame is acked at once: it says that somebody is back. */
  #acked = 0;
  /** frames */
  #owed = 0;
  #owedSince = 0;
  #isFinal = false;

  /** @param window most un-acked frames in flight */
  constructor(window: number) {
    this.#quarter = Math.max(1, Math.floor(window / 4));
  }

  /** A delta frame up to `seq` arrived. */
  arrived(seq: number): void {
    this.#unprocessed.push(seq);
  }

  /** Everything up to `seq` is processed; a frame counts when all of it is. */
  processed(seq: number, now: number): void {
    const owedBefore = this.#owed;
    for (let next = this.#unprocessed[0]; next !== undefined && next <= seq; next = this.#unprocessed[0]) {
      this.#unprocessed.shift();
      this.#seq = next;
      this.#owed += 1;
    }
    if (owedBefore === 0 && this.#owed > 0) this.#owedSince = now;
  }

  /** No frame will follow: what is owed is due. */
  finish(): void {
    this.#isFinal = true;
  }

  /** When an ack is due, undefined when none is owed. */
  get dueAt(): number | undefined {
    if (this.#owed === 0) return undefined;
    const isEnough = this.#owed >= this.#quarter || this.#seq - this.#acked >= ACK_TOKENS;
    return this.#isFinal || isEnough ? this.#owedSince : this.#owedSince + ACK_INTERVAL_MS;
  }

  /** The seq to ack now, undefined when none is due. It counts as acked from then on. */
  take(now: number): number | undefined {
    const { dueAt } = this;
    if (dueAt === undefined || now < dueAt) return undefined;
    this.#owed = 0;
    this.#acked = this.#seq;
    return this.#seq;
  }
}
