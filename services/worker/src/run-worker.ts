import { randomUUID } from 'node:crypto';
import { createNatsBus } from '@sluice/bus';
import type { Bus } from '@sluice/bus';
import type { Engine } from '@sluice/core';
import { createMetrics, natsOptionsOf, onShutdown, openTracing, startAdminServer } from '@sluice/runtime';
import type { Logger, Metrics, Own, Readiness, Tracing } from '@sluice/runtime';
import type { WorkerSettings } from './config.ts';
import { createWorker } from './worker.ts';
import type { Worker } from './worker.ts';

/** Of the time that tokens are kept: a run that takes longer ends, so that whoever comes to a run can have all of it. */
const MAX_RUN_SHARE = 0.8;

/** An engine that this process serves. */
export type ServedEngine = {
  readonly engine: Engine;
  /** its name among several; undefined: it is the only one */
  readonly upstream?: string | undefined;
  /** generations at once; default `slots` of the settings */
  readonly slots?: number | undefined;
};

export type WorkerParts = {
  /** at least one; closed when the workers have stopped */
  readonly engines: readonly ServedEngine[];
  readonly logger: Logger;
  /** of the start of this service */
  readonly own: Own;
};

/**
 * Makes this process a worker: it serves its engines until a signal tells it to stop. Each of several engines is a worker
 * of its own, with its own slots, queue and connection: none waits for another one, and none is away because another is.
 */
export const runWorker = async (
  settings: WorkerSettings,
  { engines, logger, own }: WorkerParts,
): Promise<void> => {
  const { name = `w-${randomUUID().slice(0, 8)}` } = settings;
  const metrics = createMetrics({ service: 'worker' });
  const { tracesEndpoint: endpoint } = settings;
  const tracing = own(await openTracing({ service: 'worker', instance: name, endpoint }));
  const serving = await Promise.all(
    engines.map((served) => serve({ ...served, name, settings, metrics, logger, tracing, own })),
  );
  const admin = await startAdminServer({
    port: settings.adminPort,
    host: settings.adminHost,
    registry: metrics.registry,
    ready: () => readinessOf(serving),
  });

  onShutdown(
    async () => {
      await Promise.all(
        serving.map(async ({ worker, engine, bus }) => {
          await worker.close();
          await engine.close();
          await bus.close();
        }),
      );
      await tracing.close();
      await admin.close();
      metrics.close();
    },
    { logger, timeoutMs: 15_000 },
  );
  // They reconnect for ever unless NATS refuses the login, which does not mend itself: end with 1, and say why.
  for (const { bus } of serving)
    void bus.link.closed.then((error) => {
      if (error !== undefined) throw error;
    });
  // One line on stdout for the program that started this process: it runs. /readyz says whether it serves.
  process.stdout.write(`${JSON.stringify({ ready: true, worker: name, admin: admin.url })}\n`);
};

type Serving = {
  readonly upstream: string | undefined;
  readonly worker: Worker;
  readonly engine: Engine;
  readonly bus: Bus;
};

type ServeOptions = ServedEngine & {
  readonly name: string;
  readonly settings: WorkerSettings;
  readonly metrics: Metrics;
  readonly tracing: Tracing;
  readonly logger: Logger;
  readonly own: Own;
};

/** Starts the worker of one engine. */
const serve = async (options: ServeOptions): Promise<Serving> => {
  const { engine, upstream, settings, own, metrics, tracing } = options;
  const { model, modelsMs, placement, conversationBytes, maxAnswerBytes, holdMs } = settings;
  const name = upstream === undefined ? options.name : `${options.name}-${upstream}`;
  const logger = upstream === undefined ? options.logger : options.logger.with({ upstream });
  const onError = (error: Error): void => logger.warn('subscription_failed', { error });
  const bus = own(await createNatsBus(natsOptionsOf(settings, `sluice-worker ${name}`), onError));
  const maxRunMs = settings.tokensRetentionMs * MAX_RUN_SHARE;
  const limits = { maxRunMs, holdMs, conversationBytes, maxAnswerBytes };
  const models = model === undefined ? undefined : [model];
  const worker = own(
    await createWorker(
      { name, slots: options.slots ?? settings.slots, models, modelsMs, placement, ...limits },
      {
        ...{ bus, engine, logger, tracing },
        metrics: upstream === undefined ? metrics : metrics.labelled({ upstream }),
      },
    ),
  );
  return { upstream, worker, engine, bus };
};

/** Ready while any engine is served. The reason names each that is not. */
const readinessOf = (serving: readonly Serving[]): Readiness => {
  const reasons = serving.flatMap(({ upstream, worker, bus }) => {
    const reason = bus.link.connected ? worker.away : 'not connected to NATS';
    return reason === undefined ? [] : [upstream === undefined ? reason : `${upstream}: ${reason}`];
  });
  return { ready: reasons.length < serving.length, reason: reasons.join('; ') };
};
