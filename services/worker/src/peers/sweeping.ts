import type { RunningGeneration } from '@sluice/bus';
import { Sweeper } from '@sluice/lifecycle';
import { sweepLog } from '@sluice/runtime';
import type { Takeover, TakeoverDeps } from './takeover.ts';

/** A worker's sweeper: what runs here and at its peers it knows by their beats, and who of them is dead. */
export const createSweeper = (
  { bus, clock, logger, worker }: Pick<TakeoverDeps, 'bus' | 'clock' | 'logger' | 'worker'>,
  takeover: Pick<Takeover, 'running' | 'isGone'>,
  runner: { readonly running: readonly RunningGeneration[] },
): Sweeper =>
  new Sweeper({
    ...{ bus, clock, self: worker },
    running: () => takeover.running && [...takeover.running, ...runner.running],
    isGone: (peer) => takeover.isGone(peer),
    ...sweepLog(logger),
  });
