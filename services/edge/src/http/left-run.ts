import type { Grant } from '../auth/grant.ts';
import { cancelGeneration } from '../cancellation.ts';
import type { RunName } from '../openai/run-name.ts';
import type { HttpContext } from './api-routes.ts';

/**
 * The client of a run has hung up: stops it. Not one that the same request would find again: its client
 * may only have lost the connection, so it is left to its policy, which gives it a few seconds to come back.
 */
export const leaveRun = async (
  { key, isRepeatable }: RunName,
  grant: Grant,
  context: HttpContext,
): Promise<void> => {
  if (isRepeatable) return;
  try {
    await cancelGeneration(key, grant, context);
  } catch (error) {
    // The policy ends it a little later.
    context.logger.warn('hang_up_cancel_failed', { generation: key.generation, error });
  }
};
