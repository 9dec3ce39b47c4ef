import { createLogger, loadConfig, redactConfig, startService } from '@sluice/runtime';
import { upstreamsOf, workerConfigRules, workerConfigSchema } from './config.ts';
import { OpenAiEngine } from './engines/openai/openai-engine.ts';
import { runWorker } from './run-worker.ts';

await startService('worker', async (own) => {
  const config = loadConfig(workerConfigSchema, process.env, workerConfigRules);
  const logger = createLogger({ service: 'worker', level: config.logLevel });
  logger.debug('configured', redactConfig(workerConfigSchema, config));
  const engines = upstreamsOf(config).map(({ name: upstream, options, slots }) => ({
    ...{ upstream, slots, engine: own(new OpenAiEngine(options)) },
  }));
  await runWorker(config, { engines, logger, own });
});
