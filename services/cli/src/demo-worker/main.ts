/** The worker of the demo: the one that runs in production, with an engine that needs no model. */
import { checkNatsSettings, createLogger, loadConfig, redactConfig, startService } from '@sluice/runtime';
import { SimulatedEngine } from '@sluice/simulator';
import { runWorker } from '@sluice/worker';
import { demoWorkerConfigSchema, simulatedOptionsOf } from './config.ts';

await startService('worker', async (own) => {
  const config = loadConfig(demoWorkerConfigSchema, process.env, { check: checkNatsSettings });
  const logger = createLogger({ service: 'worker', level: config.logLevel });
  logger.debug('configured', redactConfig(demoWorkerConfigSchema, config));
  const engine = own(new SimulatedEngine(simulatedOptionsOf(config)));
  await runWorker(config, { engines: [{ engine }], logger, own });
});
