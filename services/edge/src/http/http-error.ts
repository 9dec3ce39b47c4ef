import { isRetryable, SluiceError } from '@sluice/protocol';
import type { ErrorCode } from '@sluice/protocol';
import { toSluiceError } from '../connections/refusal.ts';

/** The body of every answer that is an error, but for the compatible endpoints, which have their own. */
export type ErrorBody = {
  readonly error: { readonly code: ErrorCode; readonly message: string; readonly retryable: boolean };
};

export const STATUS_OF: Readonly<Record<ErrorCode, number>> = {
  bad_frame: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  session_deleted: 404,
  model_not_found: 404,
  conflict: 409,
  too_large: 413,
  rate_limited: 429,
  // Not 429: clients repeat that by themselves, and no waiting helps here.
  quota_exceeded: 403,
  unavailable: 503,
  internal: 500,
};

/** An error as an answer: what any endpoint's own shape of it is made of. */
export type HttpError = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly refusal: SluiceError;
};

/** @param maxBytes of the request's body */
export const toHttpError = (error: unknown, maxBytes: number): HttpError => {
  const refusal = ofFramework(error, maxBytes) ?? toSluiceError(error);
  const { code, retryAfterMs } = refusal;
  return {
    status: statusOf(error, code),
    headers: {
      ...(code === 'unauthorized' ? { 'www-authenticate': 'Bearer' } : {}),
      ...(retryAfterMs === undefined ? {} : { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) }),
    },
    refusal,
  };
};

export const errorBody = ({ code, message }: SluiceError): ErrorBody => ({
  error: { code, message, retryable: isRetryable(code) },
});

type FrameworkError = Error & { readonly code: string; readonly statusCode: number };

const isFrameworkError = (error: unknown): error is FrameworkError => {
  if (!(error instanceof Error) || error instanceof SluiceError) return false;
  const { code, statusCode } = error as Partial<FrameworkError>;
  return code?.startsWith('FST_') === true && statusCode !== undefined && statusCode < 500;
};

/** What fastify itself refuses before a route sees it: its messages name no content, but the JSON parser's do. */
const ofFramework = (error: unknown, maxBytes: number): SluiceError | undefined => {
  if (error instanceof SyntaxError) return new SluiceError('bad_frame', 'the body: expected JSON');
  if (!isFrameworkError(error)) return undefined;
  if (error.statusCode === 413)
    return new SluiceError('too_large', `the body: expected at most ${maxBytes} bytes`);
  return new SluiceError(
    'bad_frame',
    error.statusCode === 415 ? 'expected content-type application/json' : error.message,
  );
};

const statusOf = (error: unknown, code: ErrorCode): number =>
  isFrameworkError(error) ? error.statusCode : STATUS_OF[code];
