import type { End, Position } from '@sluice/protocol';

/** What a reader looks at: the bounds of a log, as a {@link GenerationBuffer} has them. */
export type LogBounds = {
  readonly epoch: number;
  readonly base: number;
  readonly head: number;
  readonly end: End | undefined;
};

/**
 * What a reader needs next.
 * `idle`: it has everything. `blocked`: out of credit until it acks. `delta`: send the slice after
 * `sent`. `reset`: announce the log's epoch and call `restart`. `behind`: the log held here starts
 * after its position, load older chunks. `end`: announce the end and call `finish`.
 */
export type ReaderStep = 'idle' | 'blocked' | 'delta' | 'reset' | 'behind' | 'end';

/**
 * One viewer's place in one generation: a position plus a window. Serves live, replay, late and slow
 * viewers alike, and holds no tokens: a slow reader costs nothing but its position.
 */
export class Reader {
  #epoch: number | undefined;
  #sent: number;
  #acked: number;
  #ended = false;
  /** seq of the last token of each frame in flight, oldest first */
  #inFlight: number[] = [];
  readonly window: number;

  /**
   * @param window most un-acked frames in flight; Infinity for observers, which need no acks
   * @param position what the viewer has already; none: the start of whatever epoch the log is in
   */
  constructor(window: number, position?: Position) {
    this.window = window;
    this.#epoch = position?.epoch;
    this.#sent = position?.seq ?? 0;
    this.#acked = this.#sent;
  }

  get epoch(): number {
    return this.#epoch ?? 0;
  }
  get sent(): number {
    return this.#sent;
  }
  get acked(): number {
    return this.#acked;
  }
  get ended(): boolean {
    return this.#ended;
  }
  get inFlight(): number {
    return this.#inFlight.length;
  }

  next(log: LogBounds): ReaderStep {
    this.#epoch ??= log.epoch;
    if (this.#epoch !== log.epoch || this.#sent > log.head) return 'reset';
    if (this.#sent < log.head) {
      if (this.#inFlight.length >= this.window) return 'blocked';
      return this.#sent < log.base ? 'behind' : 'delta';
    }
    return log.end !== undefined && !this.#ended ? 'end' : 'idle';
  }

  /** A delta frame up to `seq` was handed to the socket. */
  advance(seq: number): void {
    this.#sent = seq;
    if (this.window === Infinity) this.#acked = seq;
    else this.#inFlight.push(seq);
  }

  /** The log is in another epoch than this reader: start over at its beginning. */
  restart(epoch: number): void {
    this.#epoch = epoch;
    this.#sent = 0;
    this.#acked = 0;
    this.#ended = false;
    this.#inFlight = [];
  }

  finish(): void {
    this.#ended = true;
  }

  /**
   * The viewer processed everything up to `position`. Cumulative and idempotent; acks of another epoch
   * or of tokens never sent are ignored, so no client can talk credit into existence.
   * @returns whether it moved anything
   */
  ack(position: Position): boolean {
    if (position.epoch !== this.#epoch) return false;
    if (position.seq <= this.#acked || position.seq > this.#sent) return false;
    this.#acked = position.seq;
    let freed = 0;
    while (freed < this.#inFlight.length && (this.#inFlight[freed] as number) <= this.#acked) freed += 1;
    if (freed > 0) this.#inFlight.splice(0, freed);
    return true;
  }
}
