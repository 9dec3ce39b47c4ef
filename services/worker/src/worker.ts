import { WORKER_ANNOUNCE_MS } from '@sluice/bus';
import type { Bus, Delivery } from '@sluice/bus';
import { systemClock } from '@sluice/runtime';
import type { Clock, Logger } from '@sluice/runtime';
import { claimJob, readClaimed } from './claim.ts';
import type { Claimed } from './claim.ts';
import { readConversation } from './conversation.ts';
import type { Engine } from './engines/engine.ts';
import { GenerationRun } from './generation-run.ts';
import type { RunOutcome } from './generation-run.ts';
import { pullJobs } from './job-loop.ts';
import { createWorkerMetrics } from './metrics.ts';
import type { WorkerMetrics } from './metrics.ts';
import { persist } from './persistence.ts';
import { Settlement } from './settlement.ts';
import { Slots } from './slots.ts';

/** How often holds and silent edges are looked at, ms. */
const TICK_MS = 100;
/** A job's redelivery is put off this often while it runs; the ack wait is three times as long. */
const WORKING_MS = 10_000;

export type WorkerOptions = {
  /** unique among live workers, `[A-Za-z0-9_-]{1,64}` */
  readonly name: string;
  /** generations at once */
  readonly slots: number;
  /** models to offer */
  readonly models: readonly string[];
};

export type WorkerDeps = {
  readonly bus: Bus;
  readonly engine: Engine;
  readonly logger: Logger;
  readonly clock?: Clock;
};

export type Worker = {
  readonly name: string;
  readonly metrics: WorkerMetrics;
  /** generations that run now */
  readonly running: number;
  /** Stops pulling, hands what runs to other workers, and resolves when all of it is written. */
  close(): Promise<void>;
};

/** Starts pulling jobs. The caller owns the bus and the engine and closes them afterwards. */
export const createWorker = async (options: WorkerOptions, deps: WorkerDeps): Promise<Worker> => {
  const { name, models } = options;
  const { bus, engine, logger, clock = systemClock } = deps;
  const slots = new Slots(options.slots);
  const runs = new Map<string, GenerationRun>();
  const unfinished = new Set<Promise<void>>();
  const pulling = new AbortController();
  const giveUp = new AbortController();
  const metrics = createWorkerMetrics({ slots: () => slots.size, running: () => runs.size });
  const settlement = new Settlement(bus, clock, giveUp.signal);

  const idOf = ({ org, session, generation }: Claimed['key']): string => `${org}.${session}.${generation}`;
  const claimContext = { bus, worker: name, isRunning: (key: Claimed['key']) => runs.has(idOf(key)) };

  const runClaimed = async (claimed: Claimed): Promise<RunOutcome> => {
    const messages = await persist(() => readConversation(bus, claimed), clock, giveUp.signal);
    const run = new GenerationRun(claimed, messages, { bus, engine, settlement, clock, logger, metrics });
    runs.set(idOf(claimed.key), run);
    metrics.queueWait.observe(Math.max(0, clock.now() - claimed.entry.createdAt) / 1000);
    try {
      const outcome = await run.run();
      metrics.ends.inc({ reason: outcome });
      if (outcome !== 'behind') return outcome;
    } finally {
      runs.delete(idOf(claimed.key));
    }
    const again = await persist(() => readClaimed(bus, claimed.key, claimed.item), clock, giveUp.signal);
    return again === undefined ? 'lost' : runClaimed(again);
  };

  const runJob = async (delivery: Delivery): Promise<void> => {
    const working = setInterval(() => delivery.working(), WORKING_MS);
    try {
      const result = await persist(() => claimJob(delivery, claimContext), clock, pulling.signal);
      const outcome = result.type === 'claimed' ? await runClaimed(result.claimed) : result.type;
      // A job that is not ours any more stays in the queue: whoever has it now may still die.
      if (outcome !== 'lost' && outcome !== 'leave') await delivery.ack();
    } catch (error) {
      logger.error('job_failed', { generation: delivery.job.generation, error });
    } finally {
      clearInterval(working);
      slots.release();
    }
  };

  const track = (delivery: Delivery): Promise<void> => {
    const job = runJob(delivery).finally(() => unfinished.delete(job));
    unfinished.add(job);
    return job;
  };

  const announce = async (): Promise<void> => {
    const entry = { worker: name, models, slots: slots.size, running: runs.size };
    await bus.workers.announce(entry).catch((error: unknown) => logger.warn('announce_failed', { error }));
  };

  await announce();
  const announcing = setInterval(() => void announce(), WORKER_ANNOUNCE_MS);
  const ticking = setInterval(() => {
    for (const run of runs.values()) run.tick(clock.now());
  }, TICK_MS);
  const loops = models.map((model) =>
    pullJobs({ bus, model, slots, clock, logger, run: track }, pulling.signal),
  );
  logger.info('worker_started', { worker: name, models, slots: slots.size, engine: engine.name });

  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    pulling.abort();
    clearInterval(announcing);
    await bus.workers.retire(name).catch((error: unknown) => logger.warn('retire_failed', { error }));
    for (const run of runs.values()) run.drain();
    await Promise.all([...loops, ...unfinished]);
    giveUp.abort();
    clearInterval(ticking);
    metrics.close();
  };
  return {
    name,
    metrics,
    get running() {
      return runs.size;
    },
    close: () => (closing ??= close()),
  };
};
