import { createNatsBus } from '@sluice/bus';
import type { Bus, NatsOptions } from '@sluice/bus';
import { createEdge } from '@sluice/edge';
import type { Edge, EdgeOptions } from '@sluice/edge';
import { silentLogger } from '@sluice/runtime';
import { NO_QUOTAS, startNatsServer } from '@sluice/testkit';
import type { NatsServer } from '@sluice/testkit';
import { createWorker } from '@sluice/worker';
import type { Engine } from '@sluice/core';
import type { Worker } from '@sluice/worker';

export const SECRET = 'a secret of the tests, at least 32 bytes';

/** Of an edge that limits nobody. */
export const EDGE_DEFAULTS: EdgeOptions = {
  name: 'edge-1',
  host: '127.0.0.1',
  port: 0,
  jwtSecret: SECRET,
  jwtPublicKey: undefined,
  jwksUrl: undefined,
  jwksRefreshMs: 300_000,
  jwtMaxAgeS: undefined,
  jwtIssuer: undefined,
  jwtAudience: undefined,
  allowedOrigins: [],
  defaultModel: undefined,
  modelsFromZero: [],
  upstreamParams: [],
  upstreamUrlHosts: [],
  maxTokens: undefined,
  maxConnections: 15_000,
  maxStrangers: 1_000,
  maxStrangersPerAddress: 1_000,
  strangerRequestsPerMinute: 1_000_000,
  trustedProxies: [],
  addressHeader: 'x-forwarded-for',
  ...NO_QUOTAS,
  requestsPerSecond: 10_000,
  maxFramesPerSecond: 1_000,
  signalBytesPerSecond: 1024 * 1024,
  maxSessionsPerConnection: 64,
  maxItemsPerSession: 1_000,
  maxBytesPerSession: 256 * 1024 * 1024,
  maxPromptBytes: 16_777_216,
  maxFrameBytes: 1_048_576,
  maxLargeBytes: 134_217_728,
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

/** A whole system in this process on a real nats-server; each part also closes by itself. */
export type System = {
  readonly nats: NatsServer;
  addEdge(options?: Partial<EdgeOptions>): Promise<Edge>;
  addWorker(engine: Engine, options?: { name?: string; slots?: number; maxRunMs?: number }): Promise<Worker>;
  bus(): Promise<Bus>;
  close(): Promise<void>;
};

/** @param streams how large and lasting they are */
export const startSystem = async (
  streams: Pick<NatsOptions, 'retention' | 'maxBytes'> = {},
): Promise<System> => {
  const nats = await startNatsServer();
  const closers: (() => Promise<void>)[] = [];
  let edges = 0;
  let workers = 0;
  const bus = async (): Promise<Bus> => {
    const opened = await createNatsBus({ url: nats.url, name: 'e2e', ...streams });
    closers.push(() => opened.close());
    return opened;
  };
  return {
    nats,
    bus,
    addEdge: async (options = {}) => {
      edges += 1;
      const edge = await createEdge(
        { ...EDGE_DEFAULTS, name: `edge-${edges}`, ...options },
        { bus: await bus(), logger: silentLogger },
      );
      closers.push(() => edge.close());
      return edge;
    },
    addWorker: async (engine, { name, slots = 100, ...limits } = {}) => {
      workers += 1;
      const models = await engine.models(AbortSignal.timeout(5_000));
      const worker = await createWorker(
        { name: name ?? `worker-${workers}`, slots, models, ...limits },
        { bus: await bus(), engine, logger: silentLogger },
      );
      closers.push(() => worker.close());
      return worker;
    },
    close: async () => {
      for (const close of closers.toReversed()) await close();
      await nats.stop();
    },
  };
};
