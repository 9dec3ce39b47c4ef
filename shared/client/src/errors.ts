import type { End, ErrorCode, ErrorFrame, Position } from '@sluice/protocol';

/** What went wrong: one of the protocol's error codes, or what only a client can find. */
export type ClientErrorCode = ErrorCode | 'protocol' | 'closed' | 'detached' | 'generation_failed';

/** Every failure that an application has to expect. What it did wrong itself is a TypeError. */
export abstract class ClientError extends Error {
  abstract readonly code: ClientErrorCode;
}

/** A request was refused: by the server with an `error` frame, or here because no server would take it. */
export class RequestError extends ClientError {
  readonly code: ErrorCode;
  /** whether the same request may succeed later without being changed */
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;

  constructor({ code, message, retryable, retryAfterMs }: Omit<ErrorFrame, 'type'>) {
    super(message);
    this.code = code;
    this.retryable = retryable;
    this.retryAfterMs = retryAfterMs;
  }
}

/** The server broke a rule of the protocol: a hole, an overlap, an impossible frame. Text is never guessed. */
export class ProtocolError extends ClientError {
  readonly code = 'protocol';
}

/** The client is closed for good, by the application or by the server's close code. */
export class ClosedError extends ClientError {
  readonly code = 'closed';
  readonly closeCode: number;
  readonly reason: string;

  constructor(closeCode: number, reason: string) {
    super(`the connection is closed (${closeCode}${reason === '' ? '' : `: ${reason}`})`);
    this.closeCode = closeCode;
    this.reason = reason;
  }
}

/** The application let go of a generation before it ended. The generation itself goes on. */
export class DetachedError extends ClientError {
  readonly code = 'detached';

  /** @param what was let go of */
  constructor(what: string) {
    super(`detached from ${what} before it ended`);
  }
}

/** The generation ended with reason `error`; `end.error` has the engine's code and message. */
export class GenerationFailedError extends ClientError {
  readonly code = 'generation_failed';
  readonly end: End & Position;

  constructor(end: End & Position) {
    super(end.error === undefined ? 'the generation failed' : `${end.error.code}: ${end.error.message}`);
    this.end = end;
  }
}
