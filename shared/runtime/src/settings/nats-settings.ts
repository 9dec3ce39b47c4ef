import { z } from 'zod';
import type { ConfigProblem } from './config.ts';
import { checkNatsAccess, natsAccessOf, natsAccessSettings } from './nats-access.ts';
import { count, setting } from './setting.ts';

const MIB = 1024 * 1024;
const MINUTE_MS = 60_000;

/**
 * How every service finds NATS, and how large and lasting the streams are. All services of an
 * installation need the same values: the first one creates the streams, the others check them.
 */
export const natsSettings = {
  ...natsAccessSettings,
  replicas: setting(z.enum(['1', '3']).transform(Number).default(1), {
    env: 'SLUICE_NATS_REPLICAS',
    about: 'Copies of every stream: 1 on one server, 3 on a cluster.',
  }),
  partitions: setting(count(1, 64).default(1), {
    env: 'SLUICE_NATS_PARTITIONS',
    about: 'Streams the token log is split into, by session.',
  }),
  tokensRetentionMs: setting(count(MINUTE_MS).default(24 * 60 * MINUTE_MS), {
    env: 'SLUICE_TOKENS_RETENTION_MS',
    about: 'How long token records stay, ms; then the item alone has the text. A run ends after 4/5 of it.',
  }),
  sessionsRetentionMs: setting(count(MINUTE_MS).default(7 * 24 * 60 * MINUTE_MS), {
    env: 'SLUICE_SESSIONS_RETENTION_MS',
    about:
      'How long items stay, ms, at least as long as token records; prompts stay for `SLUICE_TOKENS_RETENTION_MS` longer.',
  }),
  usageRetentionMs: setting(count(MINUTE_MS).default(400 * 24 * 60 * MINUTE_MS), {
    env: 'SLUICE_USAGE_RETENTION_MS',
    about: 'How long the ledger of usage stays, ms.',
  }),
  tokensMaxBytes: setting(count(MIB).default(1024 * MIB), {
    env: 'SLUICE_TOKENS_MAX_BYTES',
    about: 'Size of each token stream, bytes; about 20 per token. From 80 % on prompts are refused.',
  }),
  sessionsMaxBytes: setting(count(MIB).default(1024 * MIB), {
    env: 'SLUICE_SESSIONS_MAX_BYTES',
    about: 'Size of the stream of items, bytes.',
  }),
  bodiesMaxBytes: setting(count(MIB).default(2048 * MIB), {
    env: 'SLUICE_BODIES_MAX_BYTES',
    about: 'Size of the stream of long prompts and answers, bytes.',
  }),
  usageMaxBytes: setting(count(MIB).default(1024 * MIB), {
    env: 'SLUICE_USAGE_MAX_BYTES',
    about:
      'Size of the ledger of usage, bytes; about 400 for each generation. From 80 % on prompts are refused.',
  }),
};

type NatsConfig = {
  readonly [Name in keyof typeof natsSettings]: z.output<(typeof natsSettings)[Name]['schema']>;
};

/** An item must not expire while its generation runs, which it may for nearly as long as tokens are kept. */
const checkRetention = ({ tokensRetentionMs, sessionsRetentionMs }: NatsConfig): ConfigProblem[] =>
  sessionsRetentionMs >= tokensRetentionMs
    ? []
    : [
        {
          name: 'SLUICE_SESSIONS_RETENTION_MS',
          expected: `at least SLUICE_TOKENS_RETENTION_MS, ${tokensRetentionMs}`,
          got: String(sessionsRetentionMs),
        },
      ];

/** Rules across the settings. */
export const checkNatsSettings = (config: NatsConfig): ConfigProblem[] => [
  ...checkNatsAccess(config),
  ...checkRetention(config),
];

/** The settings in the form the bus takes. @param name shown in NATS's list of connections */
export const natsOptionsOf = (config: NatsConfig, name: string) => ({
  ...natsAccessOf(config),
  name,
  replicas: config.replicas,
  partitions: config.partitions,
  retention: {
    tokensMs: config.tokensRetentionMs,
    sessionsMs: config.sessionsRetentionMs,
    usageMs: config.usageRetentionMs,
  },
  maxBytes: {
    tokens: config.tokensMaxBytes,
    sessions: config.sessionsMaxBytes,
    bodies: config.bodiesMaxBytes,
    usage: config.usageMaxBytes,
  },
});
