import type { AddressInfo } from 'node:net';
import { placedBus } from '@sluice/bus';
import type { Bus } from '@sluice/bus';
import { Room, Sweeper } from '@sluice/lifecycle';
import { AUTH_TIMEOUT_MS, DEFAULT_LIMITS } from '@sluice/protocol';
import type { Limits } from '@sluice/protocol';
import { foreignLog, persist, sweepLog, systemClock } from '@sluice/runtime';
import type { Clock, Logger, Metrics, natsSettings } from '@sluice/runtime';
import type { AdmissionDeps } from './requests/admission.ts';
import { createKeySource } from './auth/keys.ts';
import { createVerifier } from './auth/verifier.ts';
import { BodyRoom } from './connections/body-room.ts';
import type { EdgeConfig } from './config.ts';
import type { EdgeContext } from './connections/edge-context.ts';
import { EdgeStats } from './tally/edge-stats.ts';
import { EdgeTally } from './tally/edge-tally.ts';
import type { FeedContext } from './feeds/feed-context.ts';
import { Flusher } from './feeds/flusher.ts';
import { createHttpServer } from './http-server.ts';
import { Hub, TICK_MS } from './feeds/hub.ts';
import { StoreWatch } from './feeds/store-watch.ts';
import { Turns } from './feeds/turns.ts';
import { createEdgeMetrics } from './tally/metrics.ts';
import { ModelDirectory } from './requests/model-directory.ts';
import { OpenConnections } from './connections/open-connections.ts';
import { SignalBudget } from './connections/signal-budget.ts';
import { StorageGate } from './requests/storage-gate.ts';
import { SOCKET_DIALECTS } from './socket-dialects.ts';
import { ConnectionCalls } from './transports/connection-calls.ts';
import { EventStreams } from './transports/event-streams.ts';
import { HttpConnections } from './transports/http-connections.ts';
import type { Transport } from './transports/transport.ts';
import { WebSocketTransport } from './transports/websocket.ts';
import { UserLimits } from './connections/user-limits.ts';

/** Clients are told to reconnect somewhere within this time when the edge drains, ms. */
const DRAIN_SPREAD_MS = 5_000;
/** Watched sessions that are compared with what is stored at the same time. */
const LISTS_AT_ONCE = 32;

export type EdgeDeps = {
  readonly bus: Bus;
  readonly logger: Logger;
  readonly clock?: Clock;
};

export type Edge = {
  /** `http://host:port` of the public port */
  readonly url: string;
  readonly port: number;
  readonly metrics: Pick<Metrics, 'registry'>;
  /** what it counted since it started */
  readonly tally: EdgeTally;
  /** false while it drains */
  readonly accepting: boolean;
  /** Does at once what is due by the clock; it also does so by itself, twice a second. */
  tick(): void;
  /** Sends clients away over a few seconds, then closes. */
  drain(spreadMs?: number): Promise<void>;
  /** Closes at once: clients see 1012 and reconnect. Idempotent. */
  close(): Promise<void>;
};

export type EdgeOptions = Omit<
  EdgeConfig,
  keyof typeof natsSettings | 'adminPort' | 'adminHost' | 'logLevel' | 'name'
> & { readonly name: string };

/** Builds an edge on a bus and listens. The caller owns the bus and closes it afterwards. */
export const createEdge = async (options: EdgeOptions, deps: EdgeDeps): Promise<Edge> => {
  const { logger, clock = systemClock } = deps;
  const tally = new EdgeTally();
  const metrics = createEdgeMetrics(tally, { sessions: () => hub.sessions, viewers: () => hub.viewers });
  const foreign = deps.bus.border.onForeign(foreignLog({ counts: tally.foreign, logger, clock }));
  const leaving = new AbortController();
  const models = new ModelDirectory(deps.bus.workers, logger);
  const bus = options.placement ? placedBus(deps.bus, models.placement) : deps.bus;
  const feeds = feedsOf({ bus, clock, tally, logger, edge: options.name });
  const hub = new Hub(feeds, options.lingerMs);
  const storage = new StorageGate(bus.link, logger, clock);
  const sweeper = new Sweeper({ bus, clock, ...sweepLog(logger) });
  const own = { hub, models, leaving: leaving.signal, storage };
  const context = contextOf(options, feeds, own);
  const sockets = new WebSocketTransport(context, { ...options, dialects: SOCKET_DIALECTS });
  const streams = new EventStreams(context, options);
  const httpConnections = new HttpConnections(context);
  const calls = new ConnectionCalls(context, httpConnections);
  const transports: readonly Transport[] = [sockets, streams, httpConnections];

  const http = await createHttpServer({ ...context, streams, httpConnections, calls }, options);
  http.server.on('upgrade', (request, socket, head) => sockets.upgrade(request, socket, head));

  // NATS was there a moment ago: if it goes away now, it is waited for as it is later.
  const opened = (open: () => Promise<void>): Promise<void> => persist(open, clock, leaving.signal);
  const ownParts = [() => context.stats.start(), () => calls.open(), () => feeds.store.look()].map(opened);
  await Promise.all([storage.open(), models.open(), ...ownParts]);
  const tick = (): void => {
    const now = clock.now();
    for (const part of [hub, ...transports, context.stats, sweeper]) part.tick(now);
  };
  const ticking = setInterval(tick, TICK_MS);
  const reconnects = bus.link.onReconnect(() => hub.recheck());

  await http.listen({ port: options.port, host: options.host });
  const { port } = http.server.address() as AddressInfo;
  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    leaving.abort();
    for (const part of [storage, sweeper, models, context.stats, reconnects, calls, foreign]) part.close();
    await Promise.all(transports.map((transport) => transport.close()));
    await http.close();
    clearInterval(ticking);
    hub.close();
    metrics.close();
  };
  logger.info('edge_started', { edge: options.name, port });
  return {
    url: urlOf(options.host, port),
    port,
    metrics,
    tally,
    get accepting() {
      return !leaving.signal.aborted;
    },
    tick,
    drain: async (spreadMs = DRAIN_SPREAD_MS) => {
      leaving.abort();
      await Promise.all(transports.map((transport) => transport.drain(spreadMs)));
      await (closed ??= close());
    },
    close: () => (closed ??= close()),
  };
};

const urlOf = (host: string, port: number): string =>
  `http://${host.includes(':') ? `[${host}]` : host}:${port}`;

const feedsOf = (own: Omit<FeedContext, 'flusher' | 'turns' | 'store'>): FeedContext => ({
  ...own,
  store: new StoreWatch({ ...own, sessions: own.bus.sessions }),
  flusher: new Flusher(),
  turns: new Turns(LISTS_AT_ONCE),
});

type OwnParts = Pick<EdgeContext, 'hub' | 'leaving'> & Pick<AdmissionDeps, 'models' | 'storage'>;

const contextOf = (
  options: EdgeOptions,
  feeds: FeedContext,
  { hub, leaving, models, storage }: OwnParts,
): EdgeContext => {
  const { bus, clock, tally, edge } = feeds;
  const { maxFramesPerSecond, maxSessionsPerConnection, maxItemsPerSession } = options;
  const { maxPromptBytes, maxFrameBytes } = options;
  const limits: Limits = {
    ...DEFAULT_LIMITS,
    maxPromptBytes,
    maxFrameBytes,
    maxFramesPerSecond,
    maxSessionsPerConnection,
    maxItemsPerSession,
  };
  const keys = createKeySource(options);
  const users = new UserLimits(options);
  const stats = new EdgeStats({ bus, clock, edge, tally, hub, users, price: options.tokenPrice });
  return {
    ...feeds,
    hub,
    leaving,
    limits,
    bodyRoom: new BodyRoom(options.maxLargeBytes),
    connections: new OpenConnections(options.maxConnections, tally.connections),
    verify: createVerifier({
      keys,
      issuer: options.jwtIssuer,
      audience: options.jwtAudience,
      operatorOrg: options.operatorOrg,
      now: clock.now,
    }),
    users,
    signals: new SignalBudget(options.signalBytesPerSecond),
    stats,
    admission: {
      bus,
      clock,
      storage,
      room: new Room({ bus, clock, limits: options }),
      limits,
      defaultModel: options.defaultModel,
      models,
      onPrompted: (key, model, at) => stats.prompted(key, model, at),
    },
    heartbeatMs: options.heartbeatMs,
    authTimeoutMs: AUTH_TIMEOUT_MS,
  };
};
