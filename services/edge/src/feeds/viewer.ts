import type { StoredGeneration } from '@sluice/core';
import type { GenerationId, Position, SessionKey, ViewerRef } from '@sluice/protocol';
import type { Frame } from './frames.ts';

/** Where a viewer's frames go: a WebSocket or another transport. */
export type FrameSink = {
  /**
   * Hands a frame to the socket; ignored once the connection is closed. A sink that acks for its viewer calls
   * `onTaken` once: when the frame has left this process, or at once where nothing of it is shown.
   */
  send(frame: Frame, onTaken?: () => void): void;
  /** false while the socket holds more than it should: try again when it has drained */
  readonly writable: boolean;
};

export type AckedBy = 'client' | 'sink';

export type ViewerOptions = {
  readonly key: SessionKey;
  readonly ref: ViewerRef;
  readonly sink: FrameSink;
  /** whose word it is that a delta frame was processed; default the client's, by `ack` frames */
  readonly ackedBy?: AckedBy;
  /** watch this generation alone, done or not; default all of the session, with its items */
  readonly only?: GenerationId | undefined;
  /** most un-acked delta frames in flight, per generation */
  readonly window: number;
  /** not counted, needs no acks */
  readonly observe: boolean;
  /** its acks count, and its coming revives what is parked; never of an observer */
  readonly governs: boolean;
  /** what the viewer has of each generation it named */
  readonly positions: ReadonlyMap<string, Position>;
};

const NO_POSITIONS: ReadonlyMap<string, Position> = new Map();

/**
 * One connection's attachment to one session. Holds no frames and no queue: where it stands in each
 * generation is a reader of that generation's feed.
 */
export class Viewer {
  readonly key: SessionKey;
  readonly ref: ViewerRef;
  readonly sink: FrameSink;
  readonly ackedBy: AckedBy;
  readonly only: GenerationId | undefined;
  readonly window: number;
  readonly observe: boolean;
  governs: boolean;
  #positions: ReadonlyMap<string, Position>;
  /** false until it was told where it is: `subscribed` comes before anything else */
  ready = false;
  /** it was told every item up to here by a list */
  listedRev = 0;
  /** its feed serves it no more, and has told it why */
  isDismissed = false;
  /** its list is whole: nothing is left for it to ask for */
  isListed = false;

  constructor(options: ViewerOptions) {
    this.key = options.key;
    this.ref = options.ref;
    this.sink = options.sink;
    this.ackedBy = options.ackedBy ?? 'client';
    this.only = options.only;
    this.window = options.observe ? Infinity : options.window;
    this.observe = options.observe;
    this.governs = options.governs && !options.observe;
    // Most name none, and need no map of their own.
    this.#positions = options.positions.size === 0 ? NO_POSITIONS : options.positions;
  }

  get positions(): ReadonlyMap<string, Position> {
    return this.#positions;
  }

  /** What it has is of a store that is no more. */
  forget(): void {
    this.#positions = NO_POSITIONS;
  }

  /** Whether it is served a generation's tokens: not one that is done, unless it named that (R7). */
  wants({ id, status }: StoredGeneration): boolean {
    if (this.only !== undefined) return id === this.only;
    return status !== 'done' || this.positions.has(id);
  }
}
