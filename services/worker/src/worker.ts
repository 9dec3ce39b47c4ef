import { placedBus, Placement } from '@sluice/bus';
import type { Bus } from '@sluice/bus';
import { MAX_GENERATION_BYTES } from '@sluice/protocol';
import { foreignLog, NO_TRACING, persist, systemClock } from '@sluice/runtime';
import type { Clock, Logger, Metrics, Tracing } from '@sluice/runtime';
import { EngineWatch, REFRESH_MS } from './jobs/engine-watch.ts';
import type { Engine } from '@sluice/core';
import { startJobLoops } from './jobs/job-loop.ts';
import type { JobLoops } from './jobs/job-loop.ts';
import { JobRunner } from './jobs/job-runner.ts';
import { Conversations } from './runs/conversation.ts';
import { Liveness } from './peers/liveness.ts';
import { createWorkerMetrics } from './tally/metrics.ts';
import { Connectivity } from './peers/connectivity.ts';
import { Slots } from './jobs/slots.ts';
import { HOLD_MS } from './runs/patience.ts';
import { createSweeper } from './peers/sweeping.ts';
import { Takeover } from './peers/takeover.ts';
import { WorkerStats } from './tally/worker-stats.ts';
import { WorkerTally } from './tally/worker-tally.ts';

/** How often holds and silent edges are looked at, ms. */
const TICK_MS = 100;
/** What runs has this long to be handed over when the worker closes, ms. NATS may have to elect a leader meanwhile. */
const DRAIN_MS = 8_000;
/** After that nothing is repeated any more, and what hangs is left behind after this long, ms. */
const LEAVE_MS = 3_000;

export type WorkerOptions = {
  /** unique among live workers, `[A-Za-z0-9_-]{1,64}` */
  readonly name: string;
  /** generations at once */
  readonly slots: number;
  /** models to offer whatever the engine lists; default: those it lists, which are read again and again */
  readonly models?: readonly string[] | undefined;
  /** how often they are read, ms; default 60,000 */
  readonly modelsMs?: number;
  /** whether jobs are placed by their session, here and by this worker; default true */
  readonly placement?: boolean;
  /** longest run from its oldest token on, ms: below what the token log keeps; default none */
  readonly maxRunMs?: number;
  /** longest that a run which cannot be parked keeps its slot while viewers do not ack, ms; default {@link HOLD_MS} */
  readonly holdMs?: number;
  /** most of a session's earlier turns that a prompt continues, bytes of their JSON; default 4 MiB */
  readonly conversationBytes?: number;
  /** largest answer, bytes of its JSON; default {@link MAX_GENERATION_BYTES} */
  readonly maxAnswerBytes?: number;
};

export type WorkerDeps = {
  readonly bus: Bus;
  readonly engine: Engine;
  readonly logger: Logger;
  readonly clock?: Clock;
  /** where spans go; default nowhere */
  readonly tracing?: Tracing;
  /** where it is counted; default a registry of its own */
  readonly metrics?: Metrics | undefined;
};

export type Worker = {
  readonly name: string;
  readonly metrics: Pick<Metrics, 'registry'>;
  /** what it counted since it started */
  readonly tally: WorkerTally;
  /** generations that run now */
  readonly running: number;
  /** why it serves nothing at the moment, as while it waits for its engine; undefined while it does */
  readonly away: string | undefined;
  /** Does at once what is due by the clock; it also does so by itself, a few times a second. */
  tick(): void;
  /**
   * Stops pulling, hands what runs to other workers, and resolves when all of it is written, or after 11 s: what is left
   * then comes to another worker by its job's redelivery.
   */
  close(): Promise<void>;
};

/** @returns whether the work has ended by then; it may go on */
const endsWithin = async (ms: number, clock: Clock, work: Promise<unknown>): Promise<boolean> => {
  let timer: unknown;
  const late = new Promise<false>((resolve) => (timer = clock.setTimeout(() => resolve(false), ms)));
  const ended = await Promise.race([work.then(() => true), late]);
  clock.clearTimeout(timer);
  return ended;
};

type Leaving = {
  readonly liveness: Liveness;
  readonly loops: JobLoops;
  readonly runner: JobRunner;
  readonly giveUp: AbortController;
  readonly clock: Clock;
};

/** Hands what runs and what waits to other workers. @returns whether all of it was written in time */
const handOver = async ({ liveness, loops, runner, giveUp, clock }: Leaving): Promise<boolean> => {
  await endsWithin(DRAIN_MS, clock, Promise.all([liveness.withdraw(), loops.leave(), runner.drain()]));
  giveUp.abort();
  const left = runner.drain().then(() => loops.close());
  return endsWithin(LEAVE_MS, clock, left);
};

/**
 * Starts pulling jobs. An engine that is not there yet is waited for after this has resolved.
 * The caller owns the bus and the engine and closes them afterwards.
 */
export const createWorker = async (options: WorkerOptions, deps: WorkerDeps): Promise<Worker> => {
  const { name, models, modelsMs: refreshMs = REFRESH_MS, placement: ownQueue = true } = options;
  const { maxRunMs = Infinity, maxAnswerBytes = MAX_GENERATION_BYTES, holdMs = HOLD_MS } = options;
  const { engine, logger, clock = systemClock, tracing = NO_TRACING } = deps;
  const [placement, tally, slots] = [new Placement(), new WorkerTally(), new Slots(options.slots)];
  const bus = ownQueue ? placedBus(deps.bus, placement) : deps.bus;
  const [pulling, giveUp] = [new AbortController(), new AbortController()];
  const load = { slots: () => slots.size, running: () => runner.size };
  const metrics = createWorkerMetrics(tally, load, deps.metrics);
  const foreign = bus.border.onForeign(foreignLog({ counts: tally.foreign, logger, clock }));
  const own = { bus, clock, worker: name, slots: slots.size };
  const stats = new WorkerStats({ ...own, tally, load: (org) => runner.load(org) });
  const connectivity = new Connectivity(bus.link, clock);
  const conversations = new Conversations({ bus, clock, maxBytes: options.conversationBytes });
  const runner: JobRunner = new JobRunner({
    ...{ bus, engine, clock, logger, tracing, tally, stats, connectivity, worker: name },
    ...{ pulling: pulling.signal, giveUp: giveUp.signal, maxRunMs, holdMs, maxAnswerBytes, conversations },
    ...{
      onTaken: (run) => liveness.taken(run),
      onChange: () => liveness.changed(),
      onEngineLost: () => watch.lost(),
      onModelMissing: () => watch.modelMissing(),
      standingOf: (peer, run) => takeover.standingOf(peer, run),
    },
  });
  const liveness = new Liveness({ ...own, logger, ownQueue, running: () => runner.running });
  const watch: EngineWatch = new EngineWatch({
    ...{ engine, slots, clock, logger, models, refreshMs },
    onOffer: (offered) => {
      loops.offer(offered);
      return liveness.offer(offered);
    },
    onAway: () => liveness.withdraw(),
  });
  const takeover = new Takeover({ bus, clock, logger, placement, tally, connectivity, worker: name });
  const sweeper = createSweeper({ ...own, logger }, takeover, runner);

  // NATS was there a moment ago: if it goes away now, it is waited for as it is later.
  for (const part of [takeover, liveness, stats]) await persist(() => part.start(), clock, pulling.signal);
  const pulled = { bus, slots, placement, clock, logger, tally, runner, worker: name, ownQueue };
  const loops = startJobLoops(pulled, pulling.signal);
  const tick = (): void => [runner, stats, sweeper, loops].forEach((part) => part.tick(clock.now()));
  const ticking = setInterval(tick, TICK_MS).unref();
  await watch.start();
  logger.info('worker_started', { worker: name, away: watch.away, slots: slots.size, engine: engine.name });

  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    pulling.abort();
    for (const part of [takeover, watch, sweeper]) part.close();
    placement.forget(name);
    slots.suspend();
    if (!(await handOver({ liveness, loops, runner, giveUp, clock })))
      logger.warn('close_unfinished', { running: runner.size });
    clearInterval(ticking);
    for (const part of [liveness, stats, connectivity, foreign, metrics]) part.close();
  };
  return shown({ name, metrics, tally, runner, watch, tick, close: () => (closing ??= close()) });
};

type Parts = Omit<Worker, 'running' | 'away'> & { readonly runner: JobRunner; readonly watch: EngineWatch };

const shown = ({ runner, watch, ...worker }: Parts): Worker => ({
  ...worker,
  get running() {
    return runner.size;
  },
  get away() {
    return watch.away;
  },
});
