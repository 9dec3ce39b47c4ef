import type { JobQueue } from '@sluice/bus';
import type { GenerationKey } from '@sluice/protocol';
import type { Clock, Logger, Timer } from '@sluice/runtime';
import type { ModelDirectory } from './model-directory.ts';

/** How often the queues are read, ms: autoscalers look less often. */
const READ_MS = 5_000;
/** Models that are told of: labels of a metric are few. The queues may name any, if a stranger writes there. */
const MAX_MODELS = 500;

type Deps = {
  readonly jobs: Pick<JobQueue, 'list'>;
  readonly models: Pick<ModelDirectory, 'promptable' | 'isRunning'>;
  readonly logger: Logger;
  readonly clock: Clock;
};

/** How many generations wait for a worker, by model, as of a moment ago: what says how many workers there should be. */
export class WaitingJobs {
  readonly #deps: Deps;
  #counts: ReadonlyMap<string, number> = new Map();
  #timer: Timer;
  #isClosed = false;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Of models without a waiting generation too, as far as they can be prompted. */
  get counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  /** Resolves after a first look; looks again every 5 s. */
  async open(): Promise<void> {
    const { jobs, models, logger, clock } = this.#deps;
    try {
      this.#counts = countsOf(await jobs.list(), await models.promptable(), models);
    } catch (error) {
      logger.warn('queues_unread', { error });
    }
    if (!this.#isClosed) this.#timer = clock.setTimeout(() => void this.open(), READ_MS);
  }

  close(): void {
    this.#isClosed = true;
    this.#deps.clock.clearTimeout(this.#timer);
  }
}

type Queued = GenerationKey & { readonly model: string };

const countsOf = (
  jobs: readonly Queued[],
  known: readonly string[],
  models: Pick<ModelDirectory, 'isRunning'>,
): ReadonlyMap<string, number> => {
  const counts = new Map(known.slice(0, MAX_MODELS).map((model) => [model, 0]));
  // A job may be in two queues, and is in its queue until its run has ended.
  const seen = new Set<string>();
  for (const job of jobs) {
    const name = `${job.org}.${job.session}.${job.generation}`;
    if (seen.has(name) || models.isRunning(job)) continue;
    seen.add(name);
    const count = counts.get(job.model);
    if (count !== undefined || counts.size < MAX_MODELS) counts.set(job.model, (count ?? 0) + 1);
  }
  return counts;
};
