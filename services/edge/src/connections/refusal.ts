import { BusRefusedError, BusUnavailableError } from '@sluice/bus';
import { isRetryable, SluiceError } from '@sluice/protocol';
import type { ErrorFrame } from '@sluice/protocol';
import { KeysUnavailableError } from '../auth/key-errors.ts';
import { CredentialError } from '../auth/verifier.ts';

/** What a frame says of itself that its refusal repeats. */
type Subject = { readonly id?: string; readonly session?: string; readonly generation?: string };

/** The `error` frame that tells a client why its frame was refused. */
export const refusalOf = (frame: Subject, error: unknown): ErrorFrame => {
  const { code, message, retryAfterMs } = toSluiceError(error);
  const { id, session, generation } = frame;
  return {
    type: 'error',
    ...(id === undefined ? {} : { re: id }),
    code,
    message,
    retryable: isRetryable(code),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(session === undefined ? {} : { session }),
    ...(generation === undefined ? {} : { generation }),
  };
};

/** What any error means to a client; what it says of the inside stays in `cause`, for the log. */
export const toSluiceError = (error: unknown): SluiceError => {
  if (error instanceof SluiceError) return error;
  if (error instanceof CredentialError) return new SluiceError('unauthorized', error.message);
  const unavailable = (what: string): SluiceError =>
    new SluiceError('unavailable', what, { retryAfterMs: 1_000, cause: error });
  if (error instanceof BusUnavailableError) return unavailable('storage does not answer');
  if (error instanceof BusRefusedError && error.reason === 'too_large')
    return new SluiceError('too_large', 'more than storage takes in one piece', { cause: error });
  if (error instanceof BusRefusedError && error.reason === 'full')
    return new SluiceError('unavailable', 'storage is full', { retryAfterMs: 5_000, cause: error });
  if (error instanceof KeysUnavailableError) return unavailable('the token cannot be checked at the moment');
  return new SluiceError('internal', 'an unexpected error occurred', { cause: error });
};
