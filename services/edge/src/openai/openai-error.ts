import { isRetryable } from '@sluice/protocol';
import type { EndReason, ErrorCode, GenerationError, SluiceError } from '@sluice/protocol';

/** What OpenAI's clients read of an error, as a body or in the middle of a stream. */
export type OpenAiError = {
  readonly message: string;
  readonly type: string;
  /** the field that is wrong, where one is */
  readonly param: string | null;
  readonly code: string;
};

type Kind = Pick<OpenAiError, 'type' | 'code'>;

/** OpenAI's name where it has one for the same thing, else ours. */
const KIND_OF: Readonly<Record<ErrorCode, Kind>> = {
  bad_frame: { type: 'invalid_request_error', code: 'invalid_request' },
  unauthorized: { type: 'invalid_request_error', code: 'invalid_api_key' },
  forbidden: { type: 'invalid_request_error', code: 'forbidden' },
  not_found: { type: 'invalid_request_error', code: 'not_found' },
  conflict: { type: 'invalid_request_error', code: 'conflict' },
  too_large: { type: 'invalid_request_error', code: 'too_large' },
  rate_limited: { type: 'rate_limit_error', code: 'rate_limit_exceeded' },
  quota_exceeded: { type: 'insufficient_quota', code: 'insufficient_quota' },
  unavailable: { type: 'server_error', code: 'unavailable' },
  internal: { type: 'server_error', code: 'internal_error' },
};

type Refusal = Pick<SluiceError, 'code' | 'message'>;

/** A refusal in OpenAI's words. Messages that are about a field begin with its name. */
export const openAiError = ({ code, message }: Refusal): OpenAiError => ({
  message,
  ...KIND_OF[code],
  param: /^`([^`]+)`:/.exec(message)?.[1] ?? null,
});

/** Status and type of what ends a run without an answer, by the code of its error. */
const FAILURES: ReadonlyMap<string, { readonly status: number; readonly type: string }> = new Map([
  ['upstream_rejected', { status: 400, type: 'invalid_request_error' }],
  ['upstream_overloaded', { status: 429, type: 'rate_limit_error' }],
  ['upstream_unavailable', { status: 502, type: 'server_error' }],
  ['upstream_protocol', { status: 502, type: 'server_error' }],
  // Somebody else's wish, or nobody was there: what there is of the text is not the answer.
  ['cancelled', { status: 409, type: 'invalid_request_error' }],
  ['abandoned', { status: 409, type: 'invalid_request_error' }],
]);
const UNKNOWN_FAILURE = { status: 500, type: 'server_error' };
const OVERLOADED = 429;

/** A run that ended without an answer. */
export class FailedRunError extends Error {
  readonly code: string;
  readonly type: string;
  readonly status: number;

  constructor({ code, message }: GenerationError) {
    super(message);
    const { status, type } = FAILURES.get(code) ?? UNKNOWN_FAILURE;
    this.code = code;
    this.type = type;
    this.status = status;
  }

  /** Whether another run of the same request may go better. */
  get isPassing(): boolean {
    return this.status === OVERLOADED || this.status >= 500;
  }

  get body(): OpenAiError {
    const { message, type, code } = this;
    return { message, type, param: null, code };
  }
}

/** What an end means to a client that wants an answer; undefined: that it has one. */
export const failureOf = ({
  reason,
  error,
}: {
  readonly reason?: EndReason | undefined;
  readonly error?: GenerationError | undefined;
}): FailedRunError | undefined => {
  if (reason === 'error')
    return new FailedRunError(error ?? { code: 'internal_error', message: 'the run failed' });
  if (reason === 'cancelled')
    return new FailedRunError({ code: 'cancelled', message: 'the generation was cancelled' });
  if (reason === 'abandoned')
    return new FailedRunError({ code: 'abandoned', message: 'the generation was given up: nobody read it' });
  return undefined;
};

/** OpenAI's clients obey this header; by status alone they would repeat every conflict. */
export const shouldRetry = (isWorthIt: boolean): Readonly<Record<string, string>> => ({
  'x-should-retry': String(isWorthIt),
});

export const isWorthRetrying = ({ code }: Refusal): boolean => isRetryable(code);

/** The text was started again after some of it was shown: no client can take that back. */
export const RESTARTED: OpenAiError = {
  message: 'the text was started again: ask again',
  type: 'server_error',
  param: null,
  code: 'restarted',
};
