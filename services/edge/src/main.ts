import { randomUUID } from 'node:crypto';
import { createNatsBus } from '@sluice/bus';
import {
  createLogger,
  loadConfig,
  natsOptionsOf,
  onShutdown,
  openTracing,
  redactConfig,
  startAdminServer,
  startService,
} from '@sluice/runtime';
import { checkEdgeConfig, edgeConfigSchema } from './config.ts';
import { createEdge } from './edge.ts';

await startService('edge', async (own) => {
  const config = loadConfig(edgeConfigSchema, process.env, { check: checkEdgeConfig });
  const logger = createLogger({ service: 'edge', level: config.logLevel });
  logger.debug('configured', redactConfig(edgeConfigSchema, config));

  const name = config.name ?? `e-${randomUUID().slice(0, 8)}`;
  const onError = (error: Error): void => logger.warn('subscription_failed', { error });
  const bus = own(await createNatsBus(natsOptionsOf(config, `sluice-edge ${name}`), onError));
  const tracing = own(
    await openTracing({ service: 'edge', instance: name, endpoint: config.tracesEndpoint }),
  );
  const edge = own(await createEdge({ ...config, name }, { bus, logger, tracing }));
  const admin = await startAdminServer({
    port: config.adminPort,
    host: config.adminHost,
    registry: edge.metrics.registry,
    ready: () =>
      edge.accepting
        ? { ready: bus.link.connected, reason: 'not connected to NATS' }
        : { ready: false, reason: 'draining' },
  });

  onShutdown(
    async () => {
      await edge.drain();
      await bus.close();
      await tracing.close();
      await admin.close();
    },
    { logger, timeoutMs: 25_000 },
  );
  // It reconnects for ever unless NATS refuses the login, which does not mend itself: end with 1, and say why.
  void bus.link.closed.then((error) => {
    if (error !== undefined) throw error;
  });
  // One line on stdout for the program that started this process.
  process.stdout.write(`${JSON.stringify({ ready: true, edge: name, url: edge.url, admin: admin.url })}\n`);
});
