import type { Clock, Logger } from '@sluice/runtime';

/** At most this many pulls wait at once in one queue. */
const MAX_PULLS = 8;
const FAILURE_PAUSE_MS = 500;

export type PullLoopOptions = {
  /** Waits for one job for a while and sees to it; false when none came. */
  readonly pull: () => Promise<boolean>;
  /** Whether one pull more, besides those that wait, may bring a job that can run. */
  readonly hasRoom: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
};

/**
 * Pulls a queue until `signal` aborts. One pull waits at a time while little comes, so that idle workers take turns. A
 * job that comes is followed by one pull more, which goes on until it brings none: a pull takes a turn of the event
 * loop, and a worker that streams a thousand answers has few turns a second.
 */
export const pullUntil = async (options: PullLoopOptions, signal: AbortSignal): Promise<void> => {
  const { pull, hasRoom, clock, logger } = options;
  const more = new Set<Promise<void>>();
  const pullOnce = async (): Promise<boolean> => {
    try {
      const came = await pull();
      if (came && more.size < MAX_PULLS - 1 && hasRoom()) addOne();
      return came;
    } catch (error) {
      if (signal.aborted) return false;
      logger.warn('job_pull_failed', { error });
      await new Promise<void>((resolve) => clock.setTimeout(resolve, FAILURE_PAUSE_MS));
      return false;
    }
  };
  const pullWhileTheyCome = async (): Promise<void> => {
    while (!signal.aborted && hasRoom() && (await pullOnce()));
  };
  const addOne = (): void => {
    const one = pullWhileTheyCome().finally(() => more.delete(one));
    more.add(one);
  };
  while (!signal.aborted) await pullOnce();
  await Promise.all(more);
};
