import type { Clock } from '@sluice/runtime';

const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 2_000;

/**
 * Repeats a write that must happen, through outages of NATS, until it succeeds or `signal` aborts.
 * Only for writes that may be repeated: compare-and-set, acks.
 */
export const persist = async <Result>(
  write: () => Promise<Result>,
  clock: Clock,
  signal: AbortSignal,
): Promise<Result> => {
  for (let tries = 0; ; tries += 1) {
    try {
      return await write();
    } catch (error) {
      if (signal.aborted || (error as { code?: unknown }).code !== 'unavailable') throw error;
      const waitMs = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(tries, 10));
      await new Promise<void>((resolve) => clock.setTimeout(resolve, waitMs));
    }
  }
};
