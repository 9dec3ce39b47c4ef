import { generationIds } from './generation-ids.ts';
import type { Logger } from './logger.ts';

/** Steps of a sweep that say nothing: there was nothing to do, or it is done over and over while a job waits. */
const QUIET: readonly string[] = ['leave', 'queue', 'forget'];

/** Tells what a sweep did, and that one failed. */
export const sweepLog = (logger: Logger) => ({
  onSwept: (step: string, key: Parameters<typeof generationIds>[0]): void => {
    if (!QUIET.includes(step)) logger.info('generation_swept', { ...generationIds(key), step });
  },
  onError: (error: unknown): void => logger.warn('sweep_failed', { error }),
});
