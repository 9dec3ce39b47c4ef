import type { Clock } from './clock.ts';

const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 2_000;

/**
 * Repeats what must happen, through outages of NATS, until it succeeds or `signal` aborts.
 * Only for what may be repeated: reads, subscriptions, compare-and-set, acks.
 */
export const persist = async <Result>(
  attempt: () => Promise<Result>,
  clock: Clock,
  signal: AbortSignal,
): Promise<Result> => {
  for (let tries = 0; ; tries += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (signal.aborted || (error as { code?: unknown }).code !== 'unavailable') throw error;
      const waitMs = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(tries, 10));
      await new Promise<void>((resolve) => clock.setTimeout(resolve, waitMs));
    }
  }
};
