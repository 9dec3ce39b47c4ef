import {
  checkNatsSettings,
  count,
  defineConfig,
  engineRulesOf,
  engineSettings,
  flag,
  LOG_LEVELS,
  natsSettings,
  placementSetting,
  port,
  setting,
  tracingSetting,
} from '@sluice/runtime';
import type { ConfigOf, ConfigProblem } from '@sluice/runtime';
import { MAX_GENERATION_BYTES } from '@sluice/protocol';
import { z } from 'zod';
import { CONVERSATION_BYTES } from './runs/conversation.ts';
import { REFRESH_MS } from './jobs/engine-watch.ts';
import { HOLD_MS } from './runs/patience.ts';
import { ModelNames } from './engines/openai/model-names.ts';
import type { OpenAiOptions } from './engines/openai/openai-engine.ts';
import { PROFILES } from './engines/openai/profile.ts';
import { upstreamList } from './upstreams.ts';

/** What every worker reads, whatever its engine is. */
export const workerSettings = {
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
  ...tracingSetting,
  placement: placementSetting,
  slots: setting(count(1, 10_000).default(64), {
    env: 'SLUICE_WORKER_SLOTS',
    about: 'Generations run at once, by each upstream.',
  }),
  holdMs: setting(count(0, 24 * 60 * 60_000).default(HOLD_MS), {
    env: 'SLUICE_WORKER_HOLD_MS',
    about: 'Longest hold of a run that its engine could not continue later, ms; see Hold in ARCHITECTURE.md.',
  }),
  conversationBytes: setting(count(0, 1024 * 1024 * 1024).default(CONVERSATION_BYTES), {
    env: 'SLUICE_CONVERSATION_BYTES',
    about:
      'Most of a session’s earlier turns that a prompt with `input` continues, bytes of their JSON, newest first.',
  }),
  maxAnswerBytes: setting(count(1024, 32 * 1024 * 1024).default(MAX_GENERATION_BYTES), {
    env: 'SLUICE_WORKER_MAX_ANSWER_BYTES',
    about: 'Largest answer, bytes of its JSON; one that becomes larger ends with reason `length`.',
  }),
  model: setting(z.string().min(1).max(200).optional(), {
    env: 'SLUICE_MODEL',
    about: 'Model to offer; default every model the engine has.',
  }),
  modelsMs: setting(count(1_000, 24 * 60 * 60_000).default(REFRESH_MS), {
    env: 'SLUICE_WORKER_MODELS_MS',
    about:
      'How often the engine is asked which models it has, ms. It is also asked when it does not know one.',
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
};

export type WorkerSettings = ConfigOf<typeof workerSettings>;

/** Settings of a worker; docs/OPERATIONS.md shows them as a table. */
export const workerConfigSchema = defineConfig({
  ...workerSettings,
  engine: setting(
    z.enum(
      ['openai'],
      "expected openai, a server with OpenAI's API (the simulated engine is a part of the demo: run `sluice up`)",
    ),
    {
      env: 'SLUICE_ENGINE',
      about: 'What produces tokens: an OpenAI-compatible server.',
    },
  ),
  upstream: setting(z.url('expected the base URL of that server, up to and with /v1').optional(), {
    env: 'SLUICE_UPSTREAM',
    about: 'Base URL of the OpenAI-compatible server, up to and with /v1.',
  }),
  upstreams: setting(upstreamList.optional(), {
    env: 'SLUICE_UPSTREAMS',
    about: 'Several such servers in place of one; see Several upstreams.',
    secret: true,
  }),
  upstreamKey: setting(z.string().min(1).optional(), {
    env: 'SLUICE_UPSTREAM_KEY',
    about: 'Its API key.',
    secret: true,
  }),
  upstreamPatienceMs: setting(count(0, 600_000).default(30_000), {
    env: 'SLUICE_UPSTREAM_PATIENCE_MS',
    about:
      'How long a run without a token waits in all for a server that answers 429 or 503, ms; 0: it fails at once.',
  }),
  upstreamMessages: setting(z.enum(['show', 'hide']).default('show'), {
    env: 'SLUICE_UPSTREAM_MESSAGES',
    about: 'Whether users are told the server’s own messages of failures, with keys taken out.',
  }),
  tellsAsker: setting(flag().default(true), {
    env: 'SLUICE_UPSTREAM_ASKER',
    about:
      'Whether upstreams are told who asks, in headers `x-sluice-org`, `-user`, `-session` and `-generation`.',
  }),
  profile: setting(z.enum(PROFILES).default('openai'), {
    env: 'SLUICE_UPSTREAM_PROFILE',
    about: 'Which server it is; see Profiles. Decides how a half-finished answer is continued.',
  }),
  ...engineSettings,
});

export type WorkerConfig = ConfigOf<typeof workerConfigSchema>;

const BESIDE = 'nothing beside SLUICE_UPSTREAMS, which says it for each server';

/** One server or several. */
const checkSet = (isSet: (env: string) => boolean): ConfigProblem[] => {
  if (isSet('SLUICE_UPSTREAMS'))
    return ['SLUICE_UPSTREAM', 'SLUICE_UPSTREAM_KEY', 'SLUICE_UPSTREAM_PROFILE', 'SLUICE_MODEL']
      .filter(isSet)
      .map((name) => ({ name, expected: BESIDE, got: 'both' }));
  const expected = 'the base URL of that server, up to and with /v1';
  return isSet('SLUICE_UPSTREAM') ? [] : [{ name: 'SLUICE_UPSTREAM', expected, got: 'nothing' }];
};

const check = (config: WorkerConfig): readonly ConfigProblem[] => {
  const { upstreams = [], name = '' } = config;
  const problems = [...checkNatsSettings(config)];
  const longest = MAX_WORKER_NAME - Math.max(0, ...upstreams.map((each) => each.name.length + 1));
  if (name.length > longest) {
    const expected = `at most ${longest} characters, since names of upstreams are added`;
    problems.push({ name: 'SLUICE_WORKER_NAME', expected, got: name });
  }
  return problems;
};

/** Rules across settings. */
export const workerConfigRules = { checkSet, check };

const MAX_WORKER_NAME = 64;

/** One server of models, and what this process is to do with it. */
export type Upstream = {
  /** undefined: it is the only one */
  readonly name?: string;
  readonly options: OpenAiOptions;
  /** generations at once; undefined: as many as any */
  readonly slots?: number | undefined;
};

/** The part of the settings that makes the engines. */
export const upstreamsOf = (config: WorkerConfig): readonly Upstream[] => {
  const {
    upstream,
    upstreamKey,
    profile,
    upstreamMessages: messages,
    upstreamPatienceMs: patienceMs,
    tellsAsker,
  } = config;
  const common = { messages, patienceMs, tellsAsker, rules: engineRulesOf(config) };
  const keyed = (apiKey: string | undefined) => (apiKey === undefined ? {} : { apiKey });
  if (upstream !== undefined) return [{ options: { ...common, upstream, profile, ...keyed(upstreamKey) } }];
  return (config.upstreams ?? []).map(({ name, url, key, slots, models, aliases, ...own }) => {
    const names = new ModelNames({ models, aliases });
    return { name, slots, options: { ...common, ...own, ...keyed(key), upstream: url, names } };
  });
};
