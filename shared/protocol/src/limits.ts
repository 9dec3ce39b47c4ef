/** Bounds of the protocol and their defaults. A server names the ones in force in `ready.limits`. */
export type Limits = {
  /** largest frame a client may send, bytes; a larger prompt goes over HTTP */
  readonly maxFrameBytes: number;
  /** largest encoded prompt, bytes */
  readonly maxPromptBytes: number;
  /** largest `signal.data`, encoded bytes */
  readonly maxSignalBytes: number;
  readonly maxFramesPerSecond: number;
  readonly maxSessionsPerConnection: number;
  readonly maxWindow: number;
  readonly defaultWindow: number;
  readonly maxItemsPerSession: number;
};

export const DEFAULT_LIMITS: Limits = {
  maxFrameBytes: 1024 * 1024,
  maxPromptBytes: 16 * 1024 * 1024,
  maxSignalBytes: 4 * 1024,
  maxFramesPerSecond: 100,
  maxSessionsPerConnection: 64,
  maxWindow: 256,
  defaultWindow: 32,
  maxItemsPerSession: 1000,
};

/** Most tokens in one chunk: bounds what a record repeats, and how far one read of a replay reaches. */
export const MAX_CHUNK_TOKENS = 32;
/** Largest text of one token, UTF-8 bytes; the worker splits what is longer. */
export const MAX_TOKEN_BYTES = 16 * 1024;
/** Default of the largest text of a generation, bytes of its JSON: escapes count; then it ends with reason `length`. */
export const MAX_GENERATION_BYTES = 4 * 1024 * 1024;
/** The largest a record may be is below NATS's default payload limit of 1 MiB. */
export const MAX_RECORD_BYTES = 900 * 1024;

/** Largest body: what a prompt may be set to, and what is around it. */
export const MAX_BODY_BYTES = 65 * 1024 * 1024;

/** Deepest nesting of objects and arrays in what a client sends: encoding it again must not overflow the stack. */
export const MAX_NESTING = 64;

export const SUBPROTOCOL = 'sluice.v1';
export const BEARER_SUBPROTOCOL_PREFIX = 'bearer.';
/** How long a socket may stay without a credential. */
export const AUTH_TIMEOUT_MS = 5_000;
/** Interval of WebSocket pings; dead after two misses. */
export const HEARTBEAT_MS = 20_000;
/** `expiring` is sent this long before the token's `exp`. */
export const EXPIRING_NOTICE_MS = 60_000;
/**
 * An ack is due after a quarter of the window, this many tokens or this long, whichever is first. Half of the
 * smallest lead: a worker with a lead of 16 hears of the first half while it makes the second.
 */
export const ACK_TOKENS = 8;
/** The same in ms: at 20 tokens/s an ack for five frames. An ack costs an edge more than a frame does. */
export const ACK_INTERVAL_MS = 250;
