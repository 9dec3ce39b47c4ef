import type { Clock } from './clock.ts';

const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 2_000;

/** A wait that has lasted for so long is told, and again after each further such time, ms. */
const LONG_MS = 30_000;

/**
 * Repeats what must happen, through outages of NATS, until it succeeds or `signal` aborts.
 * Only for what may be repeated: reads, subscriptions, compare-and-set, acks. What NATS refuses for good is not.
 * @param onLong told of a wait of 30 s, and of each 30 s more
 */
export const persist = async <Result>(
  attempt: () => Promise<Result>,
  clock: Clock,
  signal: AbortSignal,
  onLong?: (waitedMs: number, error: unknown) => void,
): Promise<Result> => {
  const startedAt = clock.now();
  let toldMs = 0;
  for (let tries = 0; ; tries += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (signal.aborted || (error as { code?: unknown }).code !== 'unavailable') throw error;
      const waitedMs = clock.now() - startedAt;
      if (waitedMs - toldMs >= LONG_MS) {
        toldMs = waitedMs;
        onLong?.(waitedMs, error);
      }
      const waitMs = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(tries, 10));
      await new Promise<void>((resolve) => clock.setTimeout(resolve, waitMs));
    }
  }
};
