/** Newest delays kept for the percentiles. */
const MAX_DELAYS = 512;

/** A range of tokens as it arrived: (from, seq] of `epoch`. */
export type Arrival = { readonly epoch: number; readonly from: number; readonly seq: number };

/**
 * One generation as this tab receives it. It checks for itself that the ranges tile: what it counts does not
 * rest on the SDK having done so. Pure: it knows numbers, its owner has the clock.
 */
export class Meter {
  readonly generation: string;
  received = 0;
  acked = 0;
  /** tokens that never came, and tokens that came twice */
  missing = 0;
  repeated = 0;
  /** when it was first heard of and when its first token came, ms; undefined before */
  startedAt: number | undefined;
  firstTokenAt: number | undefined;
  isOpen = true;
  #epoch = 0;
  /** seq of each frame of this attachment that was not acked */
  #inFlight: number[] = [];
  readonly #delays: number[] = [];

  constructor(generation: string) {
    this.generation = generation;
  }

  /** Frames received and not acked: what the window limits. */
  get framesInFlight(): number {
    return this.#inFlight.length;
  }

  /** Tokens received and not acked. */
  get ahead(): number {
    return Math.max(0, this.received - this.acked);
  }

  arrived({ epoch, from, seq }: Arrival, now: number): void {
    if (epoch !== this.#epoch) this.#restart(epoch);
    if (from > this.received) this.missing += from - this.received;
    if (from < this.received) this.repeated += Math.min(seq, this.received) - from;
    this.received = Math.max(this.received, seq);
    this.firstTokenAt ??= now;
    this.#inFlight.push(seq);
  }

  ackSent({ epoch, seq }: { readonly epoch: number; readonly seq: number }): void {
    if (epoch !== this.#epoch) return;
    this.acked = Math.max(this.acked, seq);
    this.#inFlight = this.#inFlight.filter((frame) => frame > seq);
  }

  /** A new attachment: the server starts counting at the position this tab named. */
  reattached(): void {
    this.#inFlight = [];
    this.acked = this.received;
  }

  /** @param ms from publishing to arrival */
  delayed(ms: number): void {
    this.#delays.push(ms);
    if (this.#delays.length > MAX_DELAYS) this.#delays.shift();
  }

  /** @param share 0..1; undefined before the first */
  delayAt(share: number): number | undefined {
    const sorted = this.#delays.toSorted((left, right) => left - right);
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  }

  #restart(epoch: number): void {
    this.#epoch = epoch;
    this.received = 0;
    this.acked = 0;
    this.#inFlight = [];
  }
}
