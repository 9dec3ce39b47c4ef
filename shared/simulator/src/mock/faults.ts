/** What goes wrong with one answer. Tokens are counted from 1; a fault at token n comes before it. */
export type MockFaults = {
  /** answers with this status and an error body that quotes a secret, as careless servers do */
  readonly status?: number;
  /** its `Retry-After` header */
  readonly retryAfter?: string;
  /** body of that answer; default: OpenAI's error object */
  readonly errorBody?: string;
  /** answers with this text as its stream of events, in place of the engine's */
  readonly stream?: string;
  /** ms before even the status line */
  readonly slowFirstByteMs?: number;
  readonly errorAtToken?: number;
  /** the stream ends properly, without a finish reason */
  readonly endAtToken?: number;
  /** the connection is torn down */
  readonly cutAtToken?: number;
  /** says nothing more but keeps the connection */
  readonly hangAtToken?: number;
  /** bytes per write, to cut events and characters anywhere */
  readonly sliceBytes?: number;
  /** leaves out `[DONE]` */
  readonly withoutDone?: boolean;
};
