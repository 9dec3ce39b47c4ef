import type { AddressInfo } from 'node:net';
import { OrgWatch, placedBus } from '@sluice/bus';
import type { Bus } from '@sluice/bus';
import { ErasureSweeper, Room, Sweeper } from '@sluice/lifecycle';
import type { Retention } from '@sluice/lifecycle';
import { AUTH_TIMEOUT_MS, DEFAULT_LIMITS } from '@sluice/protocol';
import type { Limits } from '@sluice/protocol';
import { engineRulesOf, foreignLog, persist, readDescriptors, sweepLog, systemClock } from '@sluice/runtime';
import type { Clock, Logger, Metrics, natsSettings } from '@sluice/runtime';
import type { AdmissionDeps } from './requests/admission.ts';
import { createKeySource } from './auth/keys.ts';
import { RevocationWatch } from './auth/revocation-watch.ts';
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
import { quotaOf } from './org-quota.ts';
import { ModelDirectory } from './requests/model-directory.ts';
import { OpenConnections } from './connections/open-connections.ts';
import { StorageGate } from './requests/storage-gate.ts';
import { SOCKET_DIALECTS } from './socket-dialects.ts';
import { ConnectionCalls } from './transports/connection-calls.ts';
import { EventStreams } from './transports/event-streams.ts';
import { HttpConnections } from './transports/http-connections.ts';
import type { Transport } from './transports/transport.ts';
import { WebSocketTransport } from './transports/websocket.ts';
import { PublicSockets } from './strangers/public-sockets.ts';
import { UsageSums } from './usage/usage-sums.ts';
import { UserLimits } from './connections/user-limits.ts';

/** Clients are told to reconnect somewhere within this time when the edge drains, ms. */
const DRAIN_SPREAD_MS = 5_000;
/** For the admin port, for NATS and for files: connections of clients never take these. */
const RESERVED_DESCRIPTORS = 64;
/** Of a small limit so much at most. */
const MOST_RESERVED = 0.25;
/** What one user may have of a session that others share. */
const USER_SHARE = 0.8;
/** Watched sessions that are compared with what is stored at the same time. */
const LISTS_AT_ONCE = 32;

export type EdgeDeps = {
  readonly bus: Bus;
  readonly logger: Logger;
  readonly clock?: Clock;
  /** of this process; default what the system says */
  readonly descriptors?: typeof readDescriptors;
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
  const metrics = metricsOf(tally, () => context);
  const foreign = deps.bus.border.onForeign(foreignLog({ counts: tally.foreign, logger, clock }));
  const leaving = new AbortController();
  const models = new ModelDirectory(deps.bus.workers, logger);
  const bus = options.placement ? placedBus(deps.bus, models.placement) : deps.bus;
  const feeds = feedsOf({ bus, clock, tally, logger, edge: options.name });
  const hub = new Hub(feeds, options.lingerMs);
  const storage = new StorageGate(bus.link, logger, clock);
  const orgs = orgWatch(bus, logger);
  const sweeper = sweeperOf(options, { bus, clock, logger, orgs });
  const own = { hub, models, leaving: leaving.signal, storage, orgs };
  const context = contextOf(options, feeds, own);
  const { revoked } = context;
  const looking = [storage, sweeper, models, orgs, revoked];
  const { sockets, streams, httpConnections, calls } = doorsOf(context, options);
  const transports: readonly Transport[] = [sockets, streams, httpConnections];

  const http = await createHttpServer({ ...context, streams, httpConnections, calls }, options);
  http.server.on('upgrade', (request, socket, head) => sockets.upgrade(request, socket, head));

  // NATS was there a moment ago: if it goes away now, it is waited for as it is later.
  const opened = (open: () => Promise<void>): Promise<void> => persist(open, clock, leaving.signal);
  const ownParts = [() => context.stats.start(), () => calls.open(), () => feeds.store.look()];
  const watches = [() => revoked.open(), () => orgs.open()];
  await Promise.all([storage.open(), models.open(), ...[...ownParts, ...watches].map(opened)]);
  const { publicSockets, stats, users } = context;
  const tick = (): void => {
    const now = clock.now();
    for (const part of [revoked, hub, publicSockets, ...transports, stats, users, sweeper]) part.tick(now);
  };
  const ticking = setInterval(tick, TICK_MS);
  const reconnects = bus.link.onReconnect(() => [hub, revoked].forEach((part) => part.recheck()));

  await http.listen({ port: options.port, host: options.host });
  await reserveDescriptors(context.publicSockets, deps);
  const { port } = http.server.address() as AddressInfo;
  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    leaving.abort();
    for (const part of [...looking, context.stats, context.users, reconnects, calls, foreign]) part.close();
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

const metricsOf = (tally: EdgeTally, context: () => EdgeContext): Metrics =>
  createEdgeMetrics(tally, {
    sessions: () => context().hub.sessions,
    viewers: () => context().hub.viewers,
    strangers: () => context().publicSockets.strangers,
  });

/** Leaves some descriptors for what is not a connection of a client's. */
const reserveDescriptors = async (
  publicSockets: PublicSockets,
  { logger, descriptors = readDescriptors }: EdgeDeps,
): Promise<void> => {
  const found = await descriptors();
  if (found === undefined) return;
  const { limit, used } = found;
  const reserved = Math.min(RESERVED_DESCRIPTORS, Math.ceil(limit * MOST_RESERVED));
  const connections = Math.max(1, limit - used - reserved);
  publicSockets.limitDescriptors(connections);
  const needed = publicSockets.most + used + reserved;
  if (needed > limit) logger.warn('descriptor_limit_low', { limit, needed, connections });
};

const doorsOf = (context: EdgeContext, options: EdgeOptions) => {
  const httpConnections = new HttpConnections(context);
  return {
    sockets: new WebSocketTransport(context, { ...options, dialects: SOCKET_DIALECTS }),
    streams: new EventStreams(context, options),
    httpConnections,
    calls: new ConnectionCalls(context, httpConnections),
  };
};

const orgWatch = (bus: Bus, logger: Logger): OrgWatch =>
  new OrgWatch(bus, (error) => logger.warn('org_settings_failed', { error }));

const retentionsOf = (orgs: OrgWatch): Retention[] =>
  orgs
    .all()
    .flatMap(([org, { retention }]) =>
      retention?.sessionsMs === undefined ? [] : [{ org, sessionsMs: retention.sessionsMs }],
    );

/** Of what is open, and of what is to be erased. */
const sweeperOf = (
  { tombstoneMs }: EdgeOptions,
  { bus, clock, logger, orgs }: Pick<FeedContext, 'bus' | 'clock' | 'logger'> & { readonly orgs: OrgWatch },
): { tick(now: number): void; close(): void } => {
  const onError = (error: unknown): void => logger.warn('erasure_failed', { error });
  const sweepers = [
    new Sweeper({ bus, clock, ...sweepLog(logger) }),
    new ErasureSweeper({ bus, clock, tombstoneMs, onError, retentions: () => retentionsOf(orgs) }),
  ];
  return {
    tick: (now) => sweepers.forEach((sweeper) => sweeper.tick(now)),
    close: () => sweepers.forEach((sweeper) => sweeper.close()),
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

type OwnParts = Pick<EdgeContext, 'hub' | 'leaving'> &
  Pick<AdmissionDeps, 'models' | 'orgs'> & { readonly storage: StorageGate };

const contextOf = (
  options: EdgeOptions,
  feeds: FeedContext,
  { hub, leaving, models, storage, orgs }: OwnParts,
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
  const { maxBytesPerSession, maxItemsPerUser = Math.floor(maxItemsPerSession * USER_SHARE) } = options;
  const sessionLimits = { maxItemsPerSession, maxItemsPerUser, maxBytesPerSession };
  const keys = createKeySource(options, { clock, logger: feeds.logger, leaving });
  const revoked = new RevocationWatch({ revocations: bus.revocations, clock, logger: feeds.logger });
  const quota = quotaOf(options, { orgs, storage });
  const users = new UserLimits(options, { bus, clock, quotaOf: quota });
  const price = options.tokenPrice === undefined ? undefined : { output: options.tokenPrice };
  const stats = new EdgeStats({ bus, clock, edge, tally, hub, users, price: options.tokenPrice });
  return {
    ...feeds,
    hub,
    leaving,
    publicSockets: new PublicSockets(options, { ...feeds, turnedAway: tally.turnedAway }),
    limits,
    bodyRoom: new BodyRoom(options.maxLargeBytes),
    tombstoneMs: options.tombstoneMs,
    connections: new OpenConnections(options.maxConnections, tally.connections),
    revoked,
    verify: createVerifier({
      ...{ keys, revoked },
      issuer: options.jwtIssuer,
      audience: options.jwtAudience,
      maxAgeS: options.jwtMaxAgeS,
      operatorOrg: options.operatorOrg,
      now: clock.now,
    }),
    users,
    stats,
    usage: { sums: new UsageSums(bus.usage), priceOf: (org) => orgs.of(org).price ?? price },
    admission: {
      bus,
      clock,
      storage,
      room: new Room({ bus, clock, limits: sessionLimits, quotaOf: quota }),
      limits,
      rules: engineRulesOf(options),
      defaultModel: options.defaultModel,
      models,
      orgs,
      onPrompted: (key, model, at) => stats.prompted(key, model, at),
    },
    heartbeatMs: options.heartbeatMs,
    authTimeoutMs: AUTH_TIMEOUT_MS,
  };
};
