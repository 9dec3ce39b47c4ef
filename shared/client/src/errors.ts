import { SluiceError } from '@sluice/protocol';
import type { End, ErrorFrame, Position } from '@sluice/protocol';

/** The server answered a request with an `error` frame. `code` is one of the protocol's error codes. */
export class RequestError extends SluiceError {
  /** whether the same request may succeed later without being changed */
  readonly retryable: boolean;

  constructor(frame: Pick<ErrorFrame, 'code' | 'message' | 'retryable' | 'retryAfterMs'>) {
    super(
      frame.code,
      frame.message,
      frame.retryAfterMs === undefined ? {} : { retryAfterMs: frame.retryAfterMs },
    );
    this.retryable = frame.retryable;
  }
}

/** The server broke a rule of the protocol: a hole, an overlap, an impossible frame. Text is never guessed. */
export class ProtocolError extends Error {
  readonly code = 'protocol';
}

/** The client is closed for good, by the application or by the server's close code. */
export class ClosedError extends Error {
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
export class DetachedError extends Error {
  readonly code = 'detached';

  constructor(generation: string) {
    super(`detached from generation ${generation} before it ended`);
  }
}

/** The generation ended with reason `error`; `end.error` has the engine's code and message. */
export class GenerationFailedError extends Error {
  readonly code = 'generation_failed';
  readonly end: End & Position;

  constructor(end: End & Position) {
    super(end.error === undefined ? 'the generation failed' : `${end.error.code}: ${end.error.message}`);
    this.end = end;
  }
}
