import type { Position, SessionKey, ViewerRef } from '@sluice/protocol';
import type { Frame } from './frames.ts';

/** Where a viewer's frames go: a WebSocket or another transport. */
export type FrameSink = {
  /** Hands a frame to the socket; ignored once the connection is closed. */
  send(frame: Frame): void;
  /** false while the socket holds more than it should: try again when it has drained */
  readonly writable: boolean;
};

export type ViewerOptions = {
  readonly key: SessionKey;
  readonly ref: ViewerRef;
  readonly sink: FrameSink;
  /** most un-acked delta frames in flight, per generation */
  readonly window: number;
  /** not counted, needs no acks */
  readonly observe: boolean;
  /** what the viewer has of each generation it named */
  readonly positions: ReadonlyMap<string, Position>;
};

/**
 * One connection's attachment to one session. Holds no frames and no queue: where it stands in each
 * generation is a reader of that generation's feed.
 */
export class Viewer {
  readonly key: SessionKey;
  readonly ref: ViewerRef;
  readonly sink: FrameSink;
  readonly window: number;
  readonly observe: boolean;
  readonly positions: ReadonlyMap<string, Position>;
  /** false until `subscribed` was sent: nothing may come before it */
  ready = false;

  constructor(options: ViewerOptions) {
    this.key = options.key;
    this.ref = options.ref;
    this.sink = options.sink;
    this.window = options.observe ? Infinity : options.window;
    this.observe = options.observe;
    this.positions = options.positions;
  }
}
