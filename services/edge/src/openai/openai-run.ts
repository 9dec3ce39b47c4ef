import { generationIds } from '@sluice/runtime';
import { SluiceError } from '@sluice/protocol';
import type { GenerationItem } from '@sluice/protocol';
import type { Grant } from '../auth/grant.ts';
import { cancelFor } from '../requests/cancellation.ts';
import { waitForGeneration } from '../transports/generation-wait.ts';
import type { RunName } from './run-name.ts';
import type { HttpContext } from '../http/api-routes.ts';

/** A generation that a request started, or found. */
export type OpenAiRun = { readonly name: RunName; readonly grant: Grant };

/**
 * Waits for the end of a run, and stops it if its client hangs up before.
 * @returns undefined when nobody is left to be answered
 * @throws SluiceError unavailable, rate_limited; BusUnavailableError
 */
export const waitForRun = async (
  run: OpenAiRun,
  gone: AbortSignal,
  context: HttpContext,
): Promise<GenerationItem | undefined> => {
  const { name, grant } = run;
  const item = await waitForGeneration(name.key, { grant, gone }, context);
  if (item.status === 'done') return item;
  await leaveRun(run, context);
  if (gone.aborted) return undefined;
  throw new SluiceError('unavailable', 'the server restarts', { retryAfterMs: 1_000 });
};

/**
 * The client of a run has hung up: stops it. Not one that the same request would find again: its client
 * may only have lost the connection, so it is left to its policy, which gives it a few seconds to come back.
 */
export const leaveRun = async ({ name, grant }: OpenAiRun, context: HttpContext): Promise<void> => {
  const { key, isRepeatable } = name;
  if (isRepeatable) return;
  try {
    await cancelFor(key, grant, context);
  } catch (error) {
    // The policy ends it a little later.
    context.logger.warn('hang_up_cancel_failed', { ...generationIds(key), error });
  }
};
