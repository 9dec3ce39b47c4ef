import { isIP } from 'node:net';
import {
  checkNatsSettings,
  count,
  defineConfig,
  engineSettings,
  list,
  LOG_LEVELS,
  natsSettings,
  placementSetting,
  port,
  setting,
  tracingSetting,
} from '@sluice/runtime';
import type { ConfigOf, ConfigProblem } from '@sluice/runtime';
import { DEFAULT_LIMITS } from '@sluice/protocol';
import { z } from 'zod';
import { quotaSettings } from './quota-settings.ts';

const MIB = 1024 * 1024;

/** What a block list takes. */
const areNetworks = (texts: readonly string[]): boolean =>
  texts.every((text) => {
    const [address = '', bits, ...rest] = text.split('/');
    const most = isIP(address) === 6 ? 128 : 32;
    const isPrefix = bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= most);
    return isIP(address) !== 0 && isPrefix && rest.length === 0;
  });

/** They become a part of the pages' content security policy as they are. */
const areOrigins = (texts: readonly string[]): boolean =>
  texts.every((text) => URL.canParse(text) && new URL(text).origin === text);

/** A short secret can be guessed from any token that it signed. */
const MIN_SECRET_CHARS = 32;
const MAX_SECRETS = 8;

const linesOf = (text: string): string[] => text.trim().split(/\r?\n/);

const secrets = (): z.ZodString =>
  z
    .string()
    .refine((text) => linesOf(text).every(({ length }) => length >= MIN_SECRET_CHARS), {
      error: `expected secrets of at least ${MIN_SECRET_CHARS} characters`,
    })
    .refine((text) => linesOf(text).length <= MAX_SECRETS, {
      error: `expected at most ${MAX_SECRETS} secrets`,
    })
    .meta({ title: `text of >= ${MIN_SECRET_CHARS} characters` });

/** Settings of an edge; docs/OPERATIONS.md shows them as a table. */
export const edgeConfigSchema = defineConfig({
  name: setting(
    z
      .string()
      .regex(/^[A-Za-z0-9_-]{1,64}$/)
      .optional(),
    {
      env: 'SLUICE_EDGE_NAME',
      about: 'Name of this edge, unique among live ones; default a random one.',
    },
  ),
  host: setting(z.string().min(1).default('127.0.0.1'), {
    env: 'SLUICE_EDGE_HOST',
    about: 'Address the public port listens on.',
  }),
  port: setting(port().default(8080), { env: 'SLUICE_EDGE_PORT', about: 'Public port; 0: any free one.' }),
  adminHost: setting(z.string().min(1).default('127.0.0.1'), {
    env: 'SLUICE_EDGE_ADMIN_HOST',
    about: 'Address the admin port listens on.',
  }),
  adminPort: setting(port().default(9090), {
    env: 'SLUICE_EDGE_ADMIN_PORT',
    about: 'Port of /livez, /readyz and /metrics.',
  }),
  ...natsSettings,
  ...tracingSetting,
  placement: placementSetting,
  jwtSecret: setting(secrets().optional(), {
    env: 'SLUICE_JWT_SECRET',
    about: 'Shared secret of HS256 tokens; several, one per line, while one replaces another.',
    secret: true,
  }),
  jwtPublicKey: setting(z.string().startsWith('-----BEGIN').optional(), {
    env: 'SLUICE_JWT_PUBLIC_KEY',
    about: 'PEM public key: RSA for RS256 tokens, P-256 for ES256; several, one after the other.',
    fromFile: true,
  }),
  jwksUrl: setting(z.url().optional(), {
    env: 'SLUICE_JWT_JWKS_URL',
    about: 'Key set of an identity provider, looked up by `kid`, for RS256 and ES256.',
  }),
  jwksRefreshMs: setting(count(10_000).default(300_000), {
    env: 'SLUICE_JWT_JWKS_REFRESH_MS',
    about: 'How often the key set is read again, ms; for an unknown `kid` at once, at most every 10 s.',
  }),
  jwtIssuer: setting(z.string().min(1).optional(), {
    env: 'SLUICE_JWT_ISSUER',
    about: 'Required `iss`; unset: not looked at.',
  }),
  jwtAudience: setting(z.string().min(1).optional(), {
    env: 'SLUICE_JWT_AUDIENCE',
    about: 'Required `aud`; unset: not looked at.',
  }),
  jwtMaxAgeS: setting(count(1).optional(), {
    env: 'SLUICE_JWT_MAX_AGE_S',
    about: 'Longest time from `iat` to `exp` of a token, s; unset: not looked at.',
  }),
  allowedOrigins: setting(list().default([]), {
    env: 'SLUICE_ALLOWED_ORIGINS',
    about:
      'Origins of web pages that may connect, exact but for `:*` as port, separated by commas; empty: any by WebSocket, by HTTP only the page’s own.',
  }),
  defaultModel: setting(z.string().min(1).max(200).optional(), {
    env: 'SLUICE_DEFAULT_MODEL',
    about:
      'Model of prompts that name none; unset: the only one that workers offer, and an error where they offer several.',
  }),
  modelsFromZero: setting(list().default([]), {
    env: 'SLUICE_MODELS_FROM_ZERO',
    about:
      'Models whose workers may all be gone for a while: prompts for them wait in the queue instead of being refused.',
  }),
  ...engineSettings,
  maxConnections: setting(count(1).default(15_000), {
    env: 'SLUICE_EDGE_MAX_CONNECTIONS',
    about: 'Open connections, of all transports together; more are refused with 503.',
  }),
  maxStrangers: setting(count(1).default(500), {
    env: 'SLUICE_EDGE_MAX_STRANGERS',
    about:
      'Connections of clients that have not signed in, besides the others; a new one takes the oldest one’s place.',
  }),
  maxStrangersPerAddress: setting(count(1).default(100), {
    env: 'SLUICE_EDGE_MAX_STRANGERS_PER_ADDRESS',
    about: 'Those of one address (IPv6: of one /64) that may stay for longer than a second.',
  }),
  strangerRequestsPerMinute: setting(count(1).default(6_000), {
    env: 'SLUICE_EDGE_STRANGER_REQUESTS_PER_MINUTE',
    about: 'What one address may ask without a credential; a refused one counts as ten. More is turned away.',
  }),
  trustedProxies: setting(
    list().refine(areNetworks, 'expected addresses such as 10.0.0.7 or 10.0.0.0/8').default([]),
    {
      env: 'SLUICE_EDGE_TRUSTED_PROXIES',
      about:
        'Proxies that are believed whom a request comes from: addresses or networks, separated by commas.',
    },
  ),
  addressHeader: setting(
    z
      .string()
      .toLowerCase()
      .regex(/^[a-z0-9-]{1,64}$/)
      .default('x-forwarded-for'),
    {
      env: 'SLUICE_EDGE_ADDRESS_HEADER',
      about: 'Header in which those proxies say it.',
    },
  ),
  requestsPerSecond: setting(count(1).default(100), {
    env: 'SLUICE_EDGE_REQUESTS_PER_SECOND',
    about: 'HTTP requests of one user of an org.',
  }),
  maxFramesPerSecond: setting(count(1).default(DEFAULT_LIMITS.maxFramesPerSecond), {
    env: 'SLUICE_EDGE_MAX_FRAMES_PER_SECOND',
    about: 'Frames a connection may send.',
  }),
  signalBytesPerSecond: setting(count(1024).default(256 * 1024), {
    env: 'SLUICE_EDGE_SIGNAL_BYTES_PER_SECOND',
    about:
      'What the signals of one user of an org may cost on their way out: bytes, times those who get them.',
  }),
  maxSessionsPerConnection: setting(count(1).default(DEFAULT_LIMITS.maxSessionsPerConnection), {
    env: 'SLUICE_EDGE_MAX_SESSIONS_PER_CONNECTION',
    about: 'Sessions a connection may watch.',
  }),
  ...quotaSettings,
  maxItemsPerSession: setting(count(1, 1000).default(DEFAULT_LIMITS.maxItemsPerSession), {
    env: 'SLUICE_EDGE_MAX_ITEMS_PER_SESSION',
    about: 'Items of a session; the listing of a session cannot hold more than 1000.',
  }),
  maxBytesPerSession: setting(count(1).default(256 * 1024 * 1024), {
    env: 'SLUICE_EDGE_MAX_BYTES_PER_SESSION',
    about: 'Bytes of a session’s items and prompts together, as stored.',
  }),
  maxPromptBytes: setting(count(1024, 32 * MIB).default(DEFAULT_LIMITS.maxPromptBytes), {
    env: 'SLUICE_EDGE_MAX_PROMPT_BYTES',
    about: 'Largest prompt, encoded, bytes; what is larger is refused with 413.',
  }),
  maxFrameBytes: setting(count(64 * 1024, 16 * MIB).default(DEFAULT_LIMITS.maxFrameBytes), {
    env: 'SLUICE_EDGE_MAX_FRAME_BYTES',
    about: 'Largest frame a client may send, bytes; a larger prompt goes over HTTP.',
  }),
  maxLargeBytes: setting(count(MIB).default(128 * MIB), {
    env: 'SLUICE_EDGE_MAX_LARGE_BYTES',
    about: 'Bodies of 1 MiB and more that are in memory at once, bytes; further requests get 503.',
  }),
  heartbeatMs: setting(count(100).default(20_000), {
    env: 'SLUICE_EDGE_HEARTBEAT_MS',
    about: 'Interval of WebSocket pings, ms; a connection that misses two is closed.',
  }),
  maxStreamAgeMs: setting(count(1_000).default(15 * 60_000), {
    env: 'SLUICE_EDGE_MAX_STREAM_AGE_MS',
    about: 'Greatest age of an event stream over HTTP, ms; it ends a little earlier, and its client resumes.',
  }),
  tombstoneMs: setting(count(1_000).default(24 * 60 * 60_000), {
    env: 'SLUICE_EDGE_TOMBSTONE_MS',
    about: 'How long a deleted session answers `session_deleted`, ms; then its id is free.',
  }),
  lingerMs: setting(count().default(30_000), {
    env: 'SLUICE_EDGE_LINGER_MS',
    about: 'How long a session stays in memory after its last viewer left, ms.',
  }),
  operatorOrg: setting(
    z
      .string()
      .regex(/^[A-Za-z0-9_-]{1,64}$/)
      .optional(),
    {
      env: 'SLUICE_OPERATOR_ORG',
      about: 'Org whose tokens with scope `admin` see the figures of all orgs; unset: nobody does.',
    },
  ),
  tokenPrice: setting(z.coerce.number().min(0).optional(), {
    env: 'SLUICE_TOKEN_PRICE',
    about:
      'Dollars per 1,000,000 output tokens, for the dashboard and the usage of orgs; unset: they show tokens only.',
  }),
  webDir: setting(z.string().startsWith('/', 'expected an absolute path').optional(), {
    env: 'SLUICE_EDGE_WEB_DIR',
    about: 'Folder of the built web pages to serve at /; unset: none.',
  }),
  webConnect: setting(list().refine(areOrigins, 'expected origins such as https://app.example').default([]), {
    env: 'SLUICE_EDGE_WEB_CONNECT',
    about: 'Origins besides its own that the web pages may send requests to, separated by commas.',
  }),
  logLevel: setting(z.enum(LOG_LEVELS).default('info'), {
    env: 'SLUICE_LOG_LEVEL',
    about: 'Least severe log line that is written.',
  }),
});

export type EdgeConfig = ConfigOf<typeof edgeConfigSchema>;

/** What an edge needs to know besides its bus. */
export type EdgeOptions = Omit<
  EdgeConfig,
  keyof typeof natsSettings | keyof typeof tracingSetting | 'adminPort' | 'adminHost' | 'logLevel' | 'name'
> & { readonly name: string };

/** Rules across settings. */
export const checkEdgeConfig = (config: EdgeConfig): ConfigProblem[] => [
  ...checkCredentials(config),
  ...checkNatsSettings(config),
];

/** A key source is needed: an edge without one would accept nobody, or worse. */
const checkCredentials = ({ jwtSecret, jwtPublicKey, jwksUrl }: EdgeConfig): ConfigProblem[] =>
  jwtSecret === undefined && jwtPublicKey === undefined && jwksUrl === undefined
    ? [
        {
          name: 'SLUICE_JWT_SECRET',
          expected: 'one of SLUICE_JWT_SECRET, SLUICE_JWT_PUBLIC_KEY, SLUICE_JWT_JWKS_URL',
          got: 'none',
        },
      ]
    : [];
