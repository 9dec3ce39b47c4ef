/** Error codes and close codes. docs/PROTOCOL.md lists the same; a test compares the two. */

export const ERROR_CODES = [
  'bad_frame',
  'unauthorized',
  'forbidden',
  'not_found',
  'session_deleted',
  'model_not_found',
  'conflict',
  'too_large',
  'rate_limited',
  'quota_exceeded',
  'unavailable',
  'internal',
] as const;
export type ErrorCode = (typeof ERROR_CODES)[number];

const RETRYABLE: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['rate_limited', 'unavailable', 'internal']);

/** Whether the same request may succeed later without being changed. */
export const isRetryable = (code: ErrorCode): boolean => RETRYABLE.has(code);

/** An expected failure that is told to the client as an `error` frame or body. */
export class SluiceError extends Error {
  readonly code: ErrorCode;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, options: { retryAfterMs?: number; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** The range is the policy: 4400-4499 means "do not reconnect without change". */
export const CLOSE_CODES = {
  normal: 1000,
  goingAway: 1001,
  restart: 1012,
  tryLater: 1013,
  heartbeatMissed: 4008,
  tooSlow: 4009,
  badFrames: 4400,
  credential: 4401,
  forbidden: 4403,
  notFound: 4404,
  authTimeout: 4408,
  tooLarge: 4409,
  abuse: 4429,
} as const;
export type CloseCode = (typeof CLOSE_CODES)[keyof typeof CLOSE_CODES];

/** Whether a client may reconnect on its own after this close code. */
export const mayReconnect = (code: number): boolean =>
  code !== CLOSE_CODES.normal && !(code >= 4400 && code <= 4499);
