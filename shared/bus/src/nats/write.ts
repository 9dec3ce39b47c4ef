import type { KV } from '@nats-io/kv';
import { busError, meaningOf } from './answer.ts';
import { isUnserved } from './no-responders.ts';

const AGAIN_MS = 30;
const TRIES = 30;

/** Repeats a write that is not stored yet: the outcome of another one decides on it, or nobody takes writes. */
export const retryUnstored = async <Result>(write: () => Promise<Result>): Promise<Result> => {
  for (let tries = 1; ; tries += 1) {
    try {
      return await write();
    } catch (error) {
      // Unserved: a leader is being elected, or its interest has yet to reach this server.
      const again = isUnserved(error as Error) || meaningOf(error) === 'in_process';
      if (tries >= TRIES || !again) throw error;
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
};

/**
 * Stores a value if `rev` (0: none) is still its key's newest; undefined when it is not.
 * @throws BusUnavailableError, BusRefusedError
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
    if (meaningOf(error) === 'conflict') return undefined;
    throw busError('write of a session', error);
  }
};

/** The option of a publish that lets a message expire; none: as late as its stream says. */
export const ttlOf = (ms: number | undefined): { readonly ttl?: string } =>
  ms === undefined ? {} : { ttl: `${Math.max(1, Math.ceil(ms / 1000))}s` };
