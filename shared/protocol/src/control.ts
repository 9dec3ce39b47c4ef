/**
 * What an edge tells the worker that runs a generation. Absolute and repeated, never increments, so a
 * lost one costs nothing but time.
 */
export type ControlAck = {
  readonly type: 'ack';
  /** the edge's name: the worker keeps the newest ack of each edge */
  readonly edge: string;
  readonly epoch: number;
  /** seq as the generation's governor sees it on that edge */
  readonly seq: number;
  /** viewers attached on that edge, observers not counted */
  readonly viewers: number;
};

/** A request: the worker answers with {@link CancelReply} at once. */
export type ControlCancel = { readonly type: 'cancel'; readonly user: string };
/**
 * `cancelling`: the engine is told to stop, and the log's end will say `cancelled`. `leaving`: the worker is just handing
 * the generation over or parking it; ask again.
 */
export type CancelReply =
  { readonly type: 'cancelling'; readonly attempt: number } | { readonly type: 'leaving' };
export type ControlMessage = ControlAck | ControlCancel;

/** What a worker says of its run in passing: whether it waits for acks, or for an engine that is overloaded. */
export const RUN_STATES = ['paused', 'running', 'waiting'] as const;
export type RunState = (typeof RUN_STATES)[number];

/** Who watches a session, between edges. `sync` asks every edge to announce its viewers. */
export type PresenceMessage =
  | {
      readonly type: 'join' | 'leave';
      readonly edge: string;
      readonly user: string;
      readonly connection: string;
    }
  | {
      readonly type: 'viewers';
      readonly edge: string;
      readonly viewers: readonly { readonly user: string; readonly connection: string }[];
    }
  | { readonly type: 'sync'; readonly edge: string }
  | { readonly type: 'signal'; readonly user: string; readonly connection: string; readonly data: unknown };
