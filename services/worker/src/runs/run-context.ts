import type { Bus } from '@sluice/bus';
import type { Engine } from '@sluice/core';
import type { End } from '@sluice/protocol';
import type { Clock, Logger, Tracing } from '@sluice/runtime';
import type { Connectivity } from '../peers/connectivity.ts';
import type { WorkerStats } from '../tally/worker-stats.ts';
import type { WorkerTally } from '../tally/worker-tally.ts';

/**
 * `lost`: a newer attempt owns the generation, or this worker cannot tell: it touches nothing more.
 * `behind`: an older attempt wrote on before our claim; read the log again and run again.
 */
export type RunOutcome = End['reason'] | 'parked' | 'requeued' | 'lost' | 'behind';

export type RunContext = {
  readonly bus: Bus;
  readonly engine: Engine;
  readonly clock: Clock;
  /** an answer that becomes larger ends, bytes of its JSON */
  readonly maxAnswerBytes: number;
  readonly logger: Logger;
  readonly tracing: Tracing;
  /** this worker's name */
  readonly worker: string;
  readonly tally: WorkerTally;
  readonly stats: WorkerStats;
  readonly connectivity: Connectivity;
  /** The engine has let go and the log is complete: what is left is to write the item. May be told twice. */
  readonly onEngineFree: () => void;
  /** aborted when the worker stops waiting for NATS at shutdown */
  readonly giveUp: AbortSignal;
  /** The engine did not answer, or stopped in the middle: it may be dead. */
  readonly onEngineLost: () => void;
  /** The engine does not know the model: what it has may have changed. */
  readonly onModelMissing: () => void;
  /** a run ends once its oldest token was stored so long ago, ms: its log would lose its beginning */
  readonly maxRunMs: number;
  /** a run that cannot be parked is held at most so long, ms */
  readonly holdMs: number;
};
