import { BusRefusedError } from '@sluice/bus';
import { persist } from '@sluice/runtime';
import type { Clock, generationIds, Logger } from '@sluice/runtime';
import type { WorkerTally } from '../tally/worker-tally.ts';

/** A store that is full is asked again after this long, ms. */
const FULL_RETRY_MS = 5_000;

/** What its log lines say of a generation. */
type GenerationIds = ReturnType<typeof generationIds>;

type SettlingDeps = {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tally: Pick<WorkerTally, 'longWaits'>;
  /** aborted when the worker stops waiting for NATS at shutdown */
  readonly giveUp: AbortSignal;
};

/** Writes what an attempt leaves; each resolves to false where a newer attempt owns the generation. */
export type Leave = {
  readonly write: () => Promise<boolean>;
  /** tried where the item is larger than NATS takes */
  readonly smaller?: (() => Promise<boolean>) | undefined;
};

/**
 * Leaves a generation, through outages and beside whatever runs in its slot by then.
 * @returns false: a newer attempt owns it, or NATS refuses for good; its job comes again later
 */
export const settle = async (
  ids: GenerationIds,
  { write, smaller }: Leave,
  deps: SettlingDeps,
): Promise<boolean> => {
  const { clock, giveUp, logger, tally } = deps;
  for (let tries = 0; ; tries += 1) {
    try {
      return await persist(write, clock, giveUp, (waitedMs, error) => {
        tally.longWaits += 1;
        logger.warn('run_unsettled', { ...ids, waitedMs, error });
      });
    } catch (error) {
      if (!(error instanceof BusRefusedError)) throw error;
      if (tries === 0) logger.error('run_refused', { ...ids, reason: error.reason, error });
      if (error.reason === 'too_large' && smaller !== undefined) return settle(ids, { write: smaller }, deps);
      // Its job would come again too, later and counted as a crash.
      if (error.reason !== 'full' || giveUp.aborted) return false;
      await new Promise<void>((resolve) => void clock.setTimeout(resolve, FULL_RETRY_MS));
    }
  }
};
