import { randomUUID } from 'node:crypto';
import { createNatsBus } from '@sluice/bus';
import type { Engine } from '@sluice/core';
import { natsOptionsOf, onShutdown, startAdminServer } from '@sluice/runtime';
import type { Logger, Own } from '@sluice/runtime';
import type { WorkerSettings } from './config.ts';
import { createWorker } from './worker.ts';

/** Of the time that tokens are kept: a run that takes longer ends, so that whoever comes to a run can have all of it. */
const MAX_RUN_SHARE = 0.8;

export type WorkerParts = {
  /** closed when the worker has stopped */
  readonly engine: Engine;
  readonly logger: Logger;
  /** of the start of this service */
  readonly own: Own;
};

/** Makes this process a worker: it serves its engine until a signal tells it to stop. */
export const runWorker = async (
  settings: WorkerSettings,
  { engine, logger, own }: WorkerParts,
): Promise<void> => {
  const { name = `w-${randomUUID().slice(0, 8)}`, model, slots, placement } = settings;
  const { conversationBytes, maxAnswerBytes, holdMs } = settings;
  const models = model === undefined ? await engine.models(AbortSignal.timeout(10_000)) : [model];
  const onError = (error: Error): void => logger.warn('subscription_failed', { error });
  const bus = own(await createNatsBus(natsOptionsOf(settings, `sluice-worker ${name}`), onError));
  const maxRunMs = settings.tokensRetentionMs * MAX_RUN_SHARE;
  const limits = { maxRunMs, holdMs, conversationBytes, maxAnswerBytes };
  const options = { name, slots, models, placement, ...limits };
  const worker = own(await createWorker(options, { bus, engine, logger }));
  const admin = await startAdminServer({
    port: settings.adminPort,
    host: settings.adminHost,
    registry: worker.metrics.registry,
    ready: () => ({ ready: bus.link.connected, reason: 'not connected to NATS' }),
  });

  onShutdown(
    async () => {
      await worker.close();
      await engine.close();
      await bus.close();
      await admin.close();
    },
    { logger, timeoutMs: 15_000 },
  );
  // It reconnects for ever unless NATS refuses the login, which does not mend itself: end with 1, and say why.
  void bus.link.closed.then((error) => {
    if (error !== undefined) throw error;
  });
  // One line on stdout for whoever started this process.
  process.stdout.write(`${JSON.stringify({ ready: true, worker: name, admin: admin.url })}\n`);
};
