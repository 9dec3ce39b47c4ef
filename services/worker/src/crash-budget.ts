import type { StoredGeneration } from '@sluice/core';
import type { End } from '@sluice/protocol';

/** Runs of one generation that may die with their worker before it is given up. */
const MAX_CRASHES = 3;

/** Whether the generation has cost enough workers: it is probably what kills them. */
export const isPoison = ({ crashes = 0 }: StoredGeneration): boolean => crashes >= MAX_CRASHES;

export const POISONED: End = {
  reason: 'error',
  error: { code: 'worker_crashed', message: `${MAX_CRASHES} workers died while they ran this` },
};
