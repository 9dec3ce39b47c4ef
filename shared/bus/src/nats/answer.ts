import { JetStreamApiError } from '@nats-io/jetstream';
import { errors } from 'nats';
import { BusRefusedError, BusUnavailableError } from '../bus.ts';

/**
 * What an answer of NATS means for a write or a read, whoever asked. Only `unavailable` may be repeated as it is;
 * `in_process` a moment later; the others are final.
 */
export type Meaning = 'conflict' | 'in_process' | BusRefusedError['reason'] | 'unavailable';

const MEANINGS: ReadonlyMap<number, Meaning> = new Map<number, Meaning>([
  [10071, 'conflict'],
  // Another write of the same subject, or of the same message id, is being replicated right now.
  [10158, 'in_process'],
  [10164, 'in_process'],
  [10054, 'too_large'],
  [10047, 'full'],
  [10077, 'full'],
  [10167, 'full'],
]);
/** The direct get of a listing. */
const TOO_MANY_SUBJECTS = 413;

/** @param code the server's `err_code`, or the status of a direct get */
export const meaningOfCode = (code: number): Meaning =>
  code === TOO_MANY_SUBJECTS ? 'too_many' : (MEANINGS.get(code) ?? 'unavailable');

/** Whether the user may not do this; a request wraps what the server says of it. */
export const isForbidden = (error: unknown): boolean =>
  error instanceof errors.PermissionViolationError ||
  (error instanceof Error && error.cause instanceof errors.PermissionViolationError);

export const meaningOf = (error: unknown): Meaning => {
  if (error instanceof JetStreamApiError) return meaningOfCode(error.code);
  if (isForbidden(error)) return 'forbidden';
  // The client knows the server's limit, and sends nothing above it.
  if (error instanceof errors.InvalidArgumentError && error.message.includes('payload')) return 'too_large';
  return 'unavailable';
};

/** A queue that holds one message for each subject has it. The server's code for that is the one of any limit. */
export const isThereAlready = (error: unknown): boolean =>
  error instanceof JetStreamApiError && error.message.includes('maximum messages per subject exceeded');

/** Wraps whatever the library throws, so that callers know two errors: "it did not answer", and "it never will". */
export const busError = (what: string, cause: unknown): BusUnavailableError | BusRefusedError => {
  if (cause instanceof BusUnavailableError || cause instanceof BusRefusedError) return cause;
  const meaning = meaningOf(cause);
  const message = `${what}: expected an answer from NATS, got ${(cause as Error).message}`;
  if (meaning === 'unavailable' || meaning === 'conflict' || meaning === 'in_process')
    return new BusUnavailableError(message, { cause });
  return new BusRefusedError(meaning, `${what}: NATS refuses: ${(cause as Error).message}`, { cause });
};
