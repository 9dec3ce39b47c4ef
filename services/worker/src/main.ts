import { randomUUID } from 'node:crypto';
import { createNatsBus } from '@sluice/bus';
import {
  createLogger,
  killThisProcess,
  loadConfig,
  natsOptionsOf,
  onShutdown,
  redactConfig,
  startAdminServer,
  startService,
} from '@sluice/runtime';
import { checkWorkerConfig, engineOf, workerConfigSchema } from './config.ts';
import { createWorker } from './worker.ts';

await startService('worker', async (own) => {
  const config = loadConfig(workerConfigSchema, process.env, { check: checkWorkerConfig });
  const logger = createLogger({ service: 'worker', level: config.logLevel });
  logger.debug('configured', redactConfig(workerConfigSchema, config));

  const name = config.name ?? `w-${randomUUID().slice(0, 8)}`;
  const engine = own(engineOf(config));
  const models =
    config.model === undefined ? await engine.models(AbortSignal.timeout(10_000)) : [config.model];
  const onInvalid = (error: Error): void => logger.warn('invalid_record', { error });
  const bus = own(await createNatsBus(natsOptionsOf(config, `sluice-worker ${name}`), onInvalid));
  const crash = config.demoFaults ? { crash: killThisProcess } : {};
  const { slots, placement } = config;
  const worker = own(
    await createWorker({ name, slots, models, placement }, { bus, engine, logger, ...crash }),
  );
  const admin = await startAdminServer({
    port: config.adminPort,
    host: config.adminHost,
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
});
