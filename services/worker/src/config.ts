import {
  count,
  defineConfig,
  flag,
  LOG_LEVELS,
  natsSettings,
  placementSetting,
  port,
  setting,
} from '@sluice/runtime';
import type { ConfigOf, ConfigProblem } from '@sluice/runtime';
import type { Engine } from '@sluice/core';
import { SimulatedEngine } from '@sluice/simulator';
import { z } from 'zod';
import { OpenAiEngine } from './engines/openai/openai-engine.ts';

/** Settings of a worker; docs/OPERATIONS.md shows them as a table. */
export const workerConfigSchema = defineConfig({
  name: setting(
    z
      .string()
      .regex(/^(?!any$)[A-Za-z0-9_-]{1,64}$/)
      .optional(),
    {
      env: 'SLUICE_WORKER_NAME',
      about: 'Name of this worker, unique among live ones, not `any`; default a random one.',
    },
  ),
  ...natsSettings,
  placement: placementSetting,
  slots: setting(count(1, 10_000).default(64), {
    env: 'SLUICE_WORKER_SLOTS',
    about: 'Generations run at once.',
  }),
  engine: setting(z.enum(['simulated', 'openai']).default('simulated'), {
    env: 'SLUICE_ENGINE',
    about: 'What produces tokens: the built-in engine, or an OpenAI-compatible server.',
  }),
  upstream: setting(z.url().optional(), {
    env: 'SLUICE_UPSTREAM',
    about: 'Base URL of the OpenAI-compatible server, up to and with /v1.',
  }),
  upstreamKey: setting(z.string().min(1).optional(), {
    env: 'SLUICE_UPSTREAM_KEY',
    about: 'Its API key.',
    secret: true,
  }),
  profile: setting(z.enum(['vllm', 'sglang', 'llamacpp', 'ollama', 'openai']).default('openai'), {
    env: 'SLUICE_UPSTREAM_PROFILE',
    about: 'Which server it is: decides how a half-finished answer is continued.',
  }),
  model: setting(z.string().min(1).max(200).optional(), {
    env: 'SLUICE_MODEL',
    about: 'Model to offer; default every model the engine has.',
  }),
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
  demoFaults: setting(flag().default(false), {
    env: 'SLUICE_DEMO_FAULTS',
    about: 'Lets scope `admin` kill edges and workers from the web page; for demos only.',
  }),
  adminPort: setting(port().default(9091), {
    env: 'SLUICE_WORKER_ADMIN_PORT',
    about: 'Port of /livez, /readyz and /metrics.',
  }),
  adminHost: setting(z.string().min(1).default('127.0.0.1'), {
    env: 'SLUICE_WORKER_ADMIN_HOST',
    about: 'Address the admin port listens on.',
  }),
  logLevel: setting(z.enum(LOG_LEVELS).default('info'), {
    env: 'SLUICE_LOG_LEVEL',
    about: 'Least severe log line that is written.',
  }),
});

export type WorkerConfig = ConfigOf<typeof workerConfigSchema>;

export const checkWorkerConfig = ({ engine, upstream }: WorkerConfig): ConfigProblem[] =>
  engine === 'openai' && upstream === undefined
    ? [{ name: 'SLUICE_UPSTREAM', expected: 'a URL, since SLUICE_ENGINE is openai', got: 'nothing' }]
    : [];

/** The engine that the settings name. */
export const engineOf = (config: WorkerConfig): Engine => {
  const { engine, upstream, upstreamKey, profile, model } = config;
  if (engine === 'simulated') {
    const { tokensPerSecond, ttftMs, prefillTokensPerSecond, cacheTokens } = config;
    const speed = { tokensPerSecond, ttftMs, prefillTokensPerSecond, cacheTokens };
    return new SimulatedEngine({ ...speed, models: [model ?? 'simulated'] });
  }
  if (upstream === undefined) throw new TypeError('engine openai: expected an upstream URL');
  const key = upstreamKey === undefined ? {} : { apiKey: upstreamKey };
  return new OpenAiEngine({ upstream, profile, ...key });
};
