import { nodeArgumentsOf } from '../place.ts';
import type { Facts, PartOptions } from './part.ts';

type Tools = Pick<PartOptions, 'log' | 'guard'>;

/** The one line of JSON on stdout that a service prints when it is ready. */
const readyIn = (line: string): Facts | undefined => {
  if (!line.startsWith('{"ready":true')) return undefined;
  try {
    return JSON.parse(line) as Facts;
  } catch {
    // Not a whole line, hence not the one.
    return undefined;
  }
};

/** `new URL` leaves out the port that the scheme implies. */
const portOf = (url: unknown): string | undefined =>
  typeof url === 'string' ? new URL(url).port || '80' : undefined;

/** Of 1,000,000 output tokens: something to multiply with, so that the dashboard can say what a stop is worth. */
const DEMO_TOKEN_PRICE = '10';

/** How a service finds NATS. */
type NatsSettings = {
  readonly natsUrl: string;
  /** copies of every stream; undefined: as the environment says */
  readonly replicas: number | undefined;
};

const natsVariables = ({ natsUrl, replicas }: NatsSettings): Readonly<Record<string, string>> => ({
  SLUICE_NATS_URL: natsUrl,
  ...(replicas === undefined ? {} : { SLUICE_NATS_REPLICAS: `${replicas}` }),
});

/** Half of what PROMPTS holds. */
const DEMO_ORG_BYTES = `${256 * 1024 * 1024}`;

export type EdgeSettings = NatsSettings & {
  /** its name, unique on its NATS */
  readonly id: string;
  readonly host: string;
  /** 0: any free one */
  readonly port: number;
  readonly adminPort: number;
  readonly jwtSecret: string;
  /** folder of built web pages; undefined: none */
  readonly webDir: string | undefined;
  /** whose admins see the whole system */
  readonly operatorOrg: string;
  /** where the pages may send requests to besides this edge; undefined: nowhere */
  readonly webConnect: string | undefined;
};

/** People who try the demo develop their own page on some port. */
const PAGES_UNDER_DEVELOPMENT = ['http://localhost:*', 'http://127.0.0.1:*', 'https://localhost:*'].join(',');

export const edgePart = (name: string, settings: EdgeSettings, tools: Tools): PartOptions => ({
  ...tools,
  name,
  readyIn,
  launch: (last) => ({
    command: process.execPath,
    args: nodeArgumentsOf('edge'),
    env: {
      SLUICE_EDGE_NAME: settings.id,
      SLUICE_EDGE_HOST: settings.host,
      SLUICE_EDGE_PORT: portOf(last?.['url']) ?? `${settings.port}`,
      SLUICE_EDGE_ADMIN_HOST: '127.0.0.1',
      SLUICE_EDGE_ADMIN_PORT: portOf(last?.['admin']) ?? `${settings.adminPort}`,
      ...natsVariables(settings),
      SLUICE_JWT_SECRET: settings.jwtSecret,
      SLUICE_EDGE_WEB_DIR: settings.webDir ?? '',
      SLUICE_OPERATOR_ORG: settings.operatorOrg,
      SLUICE_EDGE_WEB_CONNECT: settings.webConnect ?? '',
      SLUICE_ALLOWED_ORIGINS: process.env['SLUICE_ALLOWED_ORIGINS'] ?? PAGES_UNDER_DEVELOPMENT,
      // The demo's org has it for itself.
      SLUICE_EDGE_MAX_BYTES_PER_ORG: process.env['SLUICE_EDGE_MAX_BYTES_PER_ORG'] ?? DEMO_ORG_BYTES,
      SLUICE_TOKEN_PRICE: process.env['SLUICE_TOKEN_PRICE'] ?? DEMO_TOKEN_PRICE,
    },
  }),
});

export type WorkerSettings = NatsSettings & {
  /** its name, unique on its NATS */
  readonly id: string;
  readonly engine: 'simulated' | 'openai';
  readonly upstream: string | undefined;
  readonly model: string | undefined;
};

export const workerPart = (name: string, settings: WorkerSettings, tools: Tools): PartOptions => ({
  ...tools,
  name,
  readyIn,
  launch: () => ({
    command: process.execPath,
    args: nodeArgumentsOf(settings.engine === 'simulated' ? 'demo-worker' : 'worker'),
    env: {
      SLUICE_WORKER_NAME: settings.id,
      SLUICE_WORKER_ADMIN_HOST: '127.0.0.1',
      SLUICE_WORKER_ADMIN_PORT: '0',
      ...natsVariables(settings),
      SLUICE_ENGINE: settings.engine,
      // An empty variable is an unset one: it must not be inherited from the shell by accident.
      SLUICE_UPSTREAM: settings.upstream ?? '',
      SLUICE_MODEL: settings.model ?? '',
    },
  }),
});
