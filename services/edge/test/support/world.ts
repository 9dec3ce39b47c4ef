import { createMemoryBus, createMemoryHub } from '@sluice/bus';
import type { Bus, MemoryHub } from '@sluice/bus';
import { DEFAULT_LIMITS } from '@sluice/protocol';
import { createLogger, systemClock } from '@sluice/runtime';
import type { Clock } from '@sluice/runtime';
import {
  mintToken,
  NO_QUOTAS,
  openRawClient,
  openRawHttpClient,
  TEST_AUDIENCE,
  TEST_ISSUER,
  TEST_SECRET,
} from '@sluice/testkit';
import type {
  MintOptions,
  RawClient,
  RawClientOptions,
  RawHttpClient,
  RawHttpClientOptions,
} from '@sluice/testkit';
import { createEdge } from '../../src/index.ts';
import type { Edge, EdgeOptions } from '../../src/index.ts';
import { FakeWorker } from './fake-worker.ts';
import { recordingBus } from './recording-bus.ts';
import type { RecordingBus } from './recording-bus.ts';

const DEFAULTS: Omit<EdgeOptions, 'name'> = {
  host: '127.0.0.1',
  port: 0,
  jwtSecret: TEST_SECRET,
  jwtPublicKey: undefined,
  jwksUrl: undefined,
  jwksRefreshMs: 300_000,
  jwtMaxAgeS: undefined,
  jwtIssuer: TEST_ISSUER,
  jwtAudience: TEST_AUDIENCE,
  allowedOrigins: [],
  defaultModel: undefined,
  modelsFromZero: [],
  upstreamParams: [],
  upstreamUrlHosts: [],
  maxTokens: undefined,
  maxConnections: 1_000,
  maxStrangers: 1_000,
  maxStrangersPerAddress: 1_000,
  strangerRequestsPerMinute: 1_000_000,
  trustedProxies: [],
  addressHeader: 'x-forwarded-for',
  ...NO_QUOTAS,
  requestsPerSecond: 10_000,
  maxFramesPerSecond: 10_000,
  signalBytesPerSecond: 1024 * 1024,
  maxSessionsPerConnection: 64,
  maxItemsPerSession: 1_000,
  maxBytesPerSession: 256 * 1024 * 1024,
  maxPromptBytes: DEFAULT_LIMITS.maxPromptBytes,
  maxFrameBytes: DEFAULT_LIMITS.maxFrameBytes,
  maxLargeBytes: 128 * 1024 * 1024,
  heartbeatMs: 20_000,
  maxStreamAgeMs: 900_000,
  tombstoneMs: 60_000,
  lingerMs: 30_000,
  webDir: undefined,
  operatorOrg: undefined,
  tokenPrice: undefined,
  webConnect: [],
  placement: true,
};

export type TestEdge = {
  readonly edge: Edge;
  /** of the WebSocket */
  readonly url: string;
  readonly recording: RecordingBus;
  /** every log line, as written */
  readonly logs: string[];
  /** Opens a client; `as` mints its token (org acme, user ann by default). */
  open(as?: Partial<MintOptions>, options?: RawClientOptions): Promise<RawClient>;
  /** The same over HTTP. */
  openHttp(as?: Partial<MintOptions>, options?: Omit<RawHttpClientOptions, 'token'>): Promise<RawHttpClient>;
};

export type EdgeSetup = Partial<EdgeOptions> & {
  readonly clock?: Clock;
  /** of the process, as the system says; default the real ones */
  readonly descriptors?: () => Promise<{ readonly limit: number; readonly used: number }>;
  /** fill of the streams that the edge is told, 0..1 */
  readonly fullness?: number;
  /** gets its bus before it starts */
  readonly prepare?: (recording: RecordingBus) => void;
};

/** Edges and workers that see each other over one in-memory bus. */
export type World = {
  readonly hub: MemoryHub;
  readonly bus: Bus;
  addEdge(setup?: EdgeSetup): Promise<TestEdge>;
  /** A scripted worker that has announced itself. */
  addWorker(name?: string, models?: readonly string[]): Promise<FakeWorker>;
  close(): Promise<void>;
};

export const tokenOf = (as: Partial<MintOptions> = {}): string =>
  mintToken({ org: 'acme', user: 'ann', ...as });

export const createWorld = (): World => {
  const hub = createMemoryHub();
  const bus = createMemoryBus(hub);
  const edges: Edge[] = [];
  const clients: RawClient[] = [];
  return {
    hub,
    bus,
    addEdge: async ({ clock = systemClock, fullness = 0, prepare, descriptors, ...options } = {}) => {
      const recording = recordingBus(createMemoryBus(hub));
      recording.fullness = fullness;
      prepare?.(recording);
      const logs: string[] = [];
      const logger = createLogger({
        service: 'edge',
        level: 'debug',
        destination: { write: (line: string) => void logs.push(line) },
      });
      const name = options.name ?? `edge-${edges.length + 1}`;
      const deps = { bus: recording.bus, logger, clock, ...(descriptors && { descriptors }) };
      const edge = await createEdge({ ...DEFAULTS, ...options, name }, deps);
      edges.push(edge);
      // What it asked for to start is not what a test did.
      recording.operations.length = 0;
      const url = `ws://127.0.0.1:${edge.port}/v1/ws`;
      const open = async (as: Partial<MintOptions> = {}, rest: RawClientOptions = {}): Promise<RawClient> => {
        const client = await openRawClient(url, { token: tokenOf(as), ...rest });
        clients.push(client);
        await client.nextFrame('ready');
        return client;
      };
      const openHttp: TestEdge['openHttp'] = async (as = {}, rest = {}) => {
        const client = await openRawHttpClient(edge.url, { token: tokenOf(as), ...rest });
        clients.push(client);
        await client.nextFrame('ready');
        return client;
      };
      return { edge, url, recording, logs, open, openHttp };
    },
    addWorker: async (name = 'w1', models = ['m1']) => {
      const worker = new FakeWorker(bus, name, models);
      await worker.announce();
      return worker;
    },
    close: async () => {
      for (const client of clients) client.terminate();
      await Promise.all(edges.map((edge) => edge.close()));
    },
  };
};
