import { JetStreamApiError } from '@nats-io/jetstream';
import type { KV } from '@nats-io/kv';
import { unavailable } from './last-message.ts';
import { isUnserved } from './no-responders.ts';

const WRONG_LAST_SEQUENCE = 10071;
/** another write of the same subject, or of the same message id, is being replicated right now */
const IN_PROCESS: ReadonlySet<number> = new Set([10158, 10164]);
const AGAIN_MS = 30;
const TRIES = 30;

const hasCode = (error: unknown, matches: (code: number) => boolean): boolean =>
  error instanceof JetStreamApiError && matches(error.code);

/** Repeats a write that is not stored yet: the outcome of another one decides on it, or nobody takes writes. */
export const retryUnstored = async <Result>(write: () => Promise<Result>): Promise<Result> => {
  for (let tries = 1; ; tries += 1) {
    try {
      return await write();
    } catch (error) {
      // Unserved: a leader is being elected, or its interest has yet to reach this server.
      const again = isUnserved(error as Error) || hasCode(error, (code) => IN_PROCESS.has(code));
      if (tries >= TRIES || !again) throw error;
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
};

/**
 * Stores a value if `rev` (0: none) is still its key's newest; undefined when it is not.
 * @throws BusUnavailableError
 */
export const compareAndSet = async (
  bucket: KV,
  key: string,
  value: string,
  rev: number,
): Promise<number | undefined> => {
  try {
    return await retryUnstored(() => bucket.put(key, value, { previousSeq: rev }));
  } catch (error) {
    if (hasCode(error, (code) => code === WRONG_LAST_SEQUENCE)) return undefined;
    throw unavailable('write of a session', error);
  }
};
