import { count, defineConfig, setting } from '@sluice/runtime';
import type { ConfigOf } from '@sluice/runtime';
import type { SimulatedOptions } from '@sluice/simulator';
import { workerSettings } from '@sluice/worker';
import { z } from 'zod';

/** Settings of the simulated engine; docs/OPERATIONS.md shows them as a table. */
export const simulatedSettings = {
  tokensPerSecond: setting(z.coerce.number().min(0).default(40), {
    env: 'SLUICE_SIMULATED_TOKENS_PER_SECOND',
    about: 'Speed of the simulated engine; 0: as fast as it can.',
  }),
  ttftMs: setting(count().default(300), {
    env: 'SLUICE_SIMULATED_TTFT_MS',
    about: 'Time to first token of the simulated engine, ms.',
  }),
  prefillTokensPerSecond: setting(z.coerce.number().min(0).default(0), {
    env: 'SLUICE_SIMULATED_PREFILL_TOKENS_PER_SECOND',
    about: 'Speed at which the simulated engine reads what is not in its KV cache; 0: at once.',
  }),
  cacheTokens: setting(count().default(200_000), {
    env: 'SLUICE_SIMULATED_CACHE_TOKENS',
    about: 'Prompt tokens that fit into that cache.',
  }),
};

/** What the demo's worker reads: as any worker does, with another engine. */
export const demoWorkerConfigSchema = defineConfig({ ...workerSettings, ...simulatedSettings });

export const simulatedOptionsOf = (config: ConfigOf<typeof demoWorkerConfigSchema>): SimulatedOptions => {
  const { model = 'simulated', tokensPerSecond, ttftMs, prefillTokensPerSecond, cacheTokens } = config;
  return { models: [model], tokensPerSecond, ttftMs, prefillTokensPerSecond, cacheTokens };
};
