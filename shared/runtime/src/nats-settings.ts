import { z } from 'zod';
import type { ConfigProblem } from './config.ts';
import { count, setting } from './setting.ts';

const MIB = 1024 * 1024;
const MINUTE_MS = 60_000;

// The client library passes over a user in the address, and waits for a server with a name that there cannot be.
const isServer = (text: string): boolean => {
  const server = text.trim();
  const url = server.includes('://') ? server : `nats://${server}`;
  return !server.includes('@') && URL.canParse(url) && new URL(url).hostname !== '';
};

const natsServers = (): z.ZodString =>
  z
    .string()
    .refine((text) => text.split(',').every(isServer))
    .meta({ title: 'nats://host:port, several separated by commas' });

/**
 * How every service finds NATS, and how large and lasting the streams are. All services of an
 * installation need the same values: the first one creates the streams, the others check them.
 */
export const natsSettings = {
  natsUrl: setting(natsServers().default('nats://127.0.0.1:4222'), {
    env: 'SLUICE_NATS_URL',
    about: 'NATS servers, separated by commas; user and password have settings of their own.',
  }),
  natsUser: setting(z.string().min(1).optional(), {
    env: 'SLUICE_NATS_USER',
    about: 'NATS user, when the server asks for one.',
  }),
  natsPassword: setting(z.string().min(1).optional(), {
    env: 'SLUICE_NATS_PASSWORD',
    about: 'Its password.',
    secret: true,
  }),
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
};

type NatsConfig = {
  readonly [Name in keyof typeof natsSettings]: z.output<(typeof natsSettings)[Name]['schema']>;
};

/** An item must not expire while its generation runs, which it may for nearly as long as tokens are kept. */
export const checkRetention = ({
  tokensRetentionMs,
  sessionsRetentionMs,
}: Pick<NatsConfig, 'tokensRetentionMs' | 'sessionsRetentionMs'>): ConfigProblem[] =>
  sessionsRetentionMs >= tokensRetentionMs
    ? []
    : [
        {
          name: 'SLUICE_SESSIONS_RETENTION_MS',
          expected: `at least SLUICE_TOKENS_RETENTION_MS, ${tokensRetentionMs}`,
          got: String(sessionsRetentionMs),
        },
      ];

/** The settings in the form the bus takes. @param name shown in NATS's list of connections */
export const natsOptionsOf = (config: NatsConfig, name: string) => ({
  url: config.natsUrl,
  name,
  replicas: config.replicas,
  partitions: config.partitions,
  retention: { tokensMs: config.tokensRetentionMs, sessionsMs: config.sessionsRetentionMs },
  maxBytes: {
    tokens: config.tokensMaxBytes,
    sessions: config.sessionsMaxBytes,
    bodies: config.bodiesMaxBytes,
  },
  ...(config.natsUser === undefined ? {} : { user: config.natsUser, password: config.natsPassword ?? '' }),
});
