import { hasFailedInPassing } from '@sluice/core';
import { isRetryable } from '@sluice/protocol';
import type { EndReason, ErrorCode, GenerationError, SluiceError } from '@sluice/protocol';
import { STATUS_OF } from '../http/http-error.ts';
import type { PlainAnswer } from '../transports/event-view.ts';

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
  session_deleted: { type: 'invalid_request_error', code: 'session_deleted' },
  model_not_found: { type: 'invalid_request_error', code: 'model_not_found' },
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

/** Status of what ends a run without an answer, by the code of its error. */
const STATUS_OF_FAILURE: ReadonlyMap<string, number> = new Map([
  ['upstream_rejected', 400],
  ['upstream_overloaded', 429],
  ['upstream_unavailable', 502],
  ['upstream_protocol', 502],
  // Somebody else's wish, or nobody was there: what there is of the text is not the answer.
  ['cancelled', 409],
  ['abandoned', 409],
]);
const UNKNOWN_FAILURE = 500;
const OVERLOADED = 429;
const BAD_GATEWAY = 502;

const typeOf = (status: number): string => {
  if (status >= 500) return 'server_error';
  return status === OVERLOADED ? 'rate_limit_error' : 'invalid_request_error';
};

/** The worker's quarrel with its engine: nothing that the client could do better. */
const WORKERS_OWN: ReadonlySet<number> = new Set([401, 403, 407]);

/** A run that ended without an answer: in the words of its engine's server, where that said any. */
export class FailedRunError extends Error {
  readonly code: string;
  readonly type: string;
  readonly param: string | null;
  readonly status: number;
  readonly retryAfterMs: number | undefined;
  readonly isForgotten: boolean;

  /** @param isForgotten a repeat under the run's name runs again */
  constructor({ code, message, upstream = {} }: GenerationError, isForgotten = false) {
    super(upstream.message ?? message);
    const { status: told = 0 } = upstream;
    const isTold = told >= 400 && told < 600 && !WORKERS_OWN.has(told);
    this.status = WORKERS_OWN.has(told)
      ? BAD_GATEWAY
      : isTold
        ? told
        : (STATUS_OF_FAILURE.get(code) ?? UNKNOWN_FAILURE);
    this.type = upstream.type ?? typeOf(this.status);
    this.code = upstream.code ?? code;
    this.param = upstream.param ?? null;
    this.retryAfterMs = upstream.retryAfterMs;
    this.isForgotten = isForgotten;
  }

  /** Whether another run of the same request may go better. */
  get isPassing(): boolean {
    return this.status === OVERLOADED || this.status >= 500;
  }

  get body(): OpenAiError {
    const { message, type, param, code } = this;
    return { message, type, param, code };
  }
}

export const RUN_FAILED: GenerationError = { code: 'internal_error', message: 'the run failed' };

/** What an end means to a client that wants an answer; undefined: that it has one. */
export const failureOf = (ended: {
  readonly reason?: EndReason | undefined;
  readonly error?: GenerationError | undefined;
  readonly seq: number;
}): FailedRunError | undefined => {
  const { reason, error = RUN_FAILED } = ended;
  if (reason === 'error') return new FailedRunError(error, hasFailedInPassing(ended));
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

/**
 * A failure before anything was shown, by status.
 * @param isRepeatable the request has a name: repeated under it, it would find the same failure, unless that is forgotten
 */
export const answerOf = (failure: FailedRunError, isRepeatable: boolean): PlainAnswer => {
  const { status, retryAfterMs, body, isPassing, isForgotten } = failure;
  const later = retryAfterMs === undefined ? {} : { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) };
  return {
    status,
    headers: { ...shouldRetry(isPassing && (isForgotten || !isRepeatable)), ...later },
    body: { error: body },
  };
};

export const isWorthRetrying = ({ code }: Refusal): boolean => isRetryable(code);

/** The same, of what the edge itself says before anything was shown. */
export const refusalAnswer = (refusal: Refusal): PlainAnswer => ({
  status: STATUS_OF[refusal.code],
  headers: shouldRetry(isWorthRetrying(refusal)),
  body: { error: openAiError(refusal) },
});

/** The text was started again after some of it was shown: no client can take that back. */
export const RESTARTED: OpenAiError = {
  message: 'the text was started again: ask again',
  type: 'server_error',
  param: null,
  code: 'restarted',
};
