import { checkNatsSettings, createLogger, loadConfig, redactConfig, startService } from '@sluice/runtime';
import { openAiOptionsOf, workerConfigSchema } from './config.ts';
import { OpenAiEngine } from './engines/openai/openai-engine.ts';
import { runWorker } from './run-worker.ts';

await startService('worker', async (own) => {
  const config = loadConfig(workerConfigSchema, process.env, { check: checkNatsSettings });
  const logger = createLogger({ service: 'worker', level: config.logLevel });
  logger.debug('configured', redactConfig(workerConfigSchema, config));
  const engine = own(new OpenAiEngine(openAiOptionsOf(config)));
  await runWorker(config, { engine, logger, own });
});
