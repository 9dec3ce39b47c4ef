/* What an edge is put together from. Composition only: nothing here is imported by a room. */
import { Origins } from './auth/origins.ts';
import { OrgWatch } from '@sluice/bus';
import type { Bus } from '@sluice/bus';
import { ErasureSweeper, Room, Sweeper } from '@sluice/lifecycle';
import type { Retention } from '@sluice/lifecycle';
import { AUTH_TIMEOUT_MS, DEFAULT_LIMITS } from '@sluice/protocol';
import type { Limits } from '@sluice/protocol';
import { engineRulesOf, readDescriptors, sweepLog } from '@sluice/runtime';
import type { Logger, Metrics } from '@sluice/runtime';
import type { AdmissionDeps } from './requests/admission.ts';
import { createKeySource } from './auth/keys.ts';
import { RevocationWatch } from './auth/revocation-watch.ts';
import { createVerifier } from './auth/verifier.ts';
import { BodyRoom } from './connections/body-room.ts';
import type { EdgeContext } from './connections/edge-context.ts';
import { EdgeStats } from './tally/edge-stats.ts';
import type { EdgeTally } from './tally/edge-tally.ts';
import type { FeedContext } from './feeds/feed-context.ts';
import { Flusher } from './feeds/flusher.ts';
import { StoreWatch } from './feeds/store-watch.ts';
import { Turns } from './feeds/turns.ts';
import { createEdgeMetrics } from './tally/metrics.ts';
import { quotaOf } from './org-quota.ts';
import { OpenConnections } from './connections/open-connections.ts';
import { SignalBudget } from './connections/signal-budget.ts';
import type { StorageGate } from './requests/storage-gate.ts';
import { ModelDirectory } from './requests/model-directory.ts';
import { WaitingJobs } from './requests/waiting-jobs.ts';
import { SOCKET_DIALECTS } from './socket-dialects.ts';
import { ConnectionCalls } from './transports/connection-calls.ts';
import { EventStreams } from './transports/event-streams.ts';
import { HttpConnections } from './transports/http-connections.ts';
import { WebSocketTransport } from './transports/sockets/websocket.ts';
import { PublicSockets } from './strangers/public-sockets.ts';
import { UsageSums } from './usage/usage-sums.ts';
import { UserLimits } from './connections/user-limits.ts';
import type { EdgeOptions } from './config.ts';

/** For the admin port, for NATS and for files: connections of clients never take these. */
const RESERVED_DESCRIPTORS = 64;
/** Of a small limit so much at most. */
const MOST_RESERVED = 0.25;
/** What one user may have of a session that others share. */
const USER_SHARE = 0.8;
/** Watched sessions that are compared with what is stored at the same time. */
const LISTS_AT_ONCE = 32;

/** What metrics are read from, besides what was counted. */
type Shown = Pick<EdgeContext, 'hub' | 'publicSockets'> & {
  readonly storage: Pick<StorageGate, 'fullness'>;
  readonly waiting: Pick<WaitingJobs, 'counts'>;
};

export const metricsOf = (tally: EdgeTally, context: () => Shown): Metrics =>
  createEdgeMetrics(tally, {
    fullness: () => context().storage.fullness,
    sessions: () => context().hub.sessions,
    viewers: () => context().hub.viewers,
    strangers: () => context().publicSockets.strangers,
    waitingJobs: () => context().waiting.counts,
  });

/** Leaves some descriptors for what is not a connection of a client's. */
export const reserveDescriptors = async (
  publicSockets: PublicSockets,
  {
    logger,
    descriptors = readDescriptors,
  }: { readonly logger: Logger; readonly descriptors?: typeof readDescriptors },
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

export const doorsOf = (context: EdgeContext, options: EdgeOptions) => {
  const httpConnections = new HttpConnections(context);
  const origins = new Origins(options.allowedOrigins, context);
  return {
    origins,
    sockets: new WebSocketTransport(context, { origins, dialects: SOCKET_DIALECTS }),
    streams: new EventStreams(context, options),
    httpConnections,
    calls: new ConnectionCalls(context, httpConnections),
  };
};

/** What can be prompted, and what waits for a worker. */
export const modelsOf = (
  { modelsFromZero: fromZero }: EdgeOptions,
  { bus, ...own }: Pick<FeedContext, 'bus' | 'clock' | 'logger'>,
): { readonly models: ModelDirectory; readonly waiting: WaitingJobs } => {
  const models = new ModelDirectory({ ...own, workers: bus.workers, fromZero });
  return { models, waiting: new WaitingJobs({ ...own, jobs: bus.jobs, models }) };
};

export const orgWatch = (bus: Bus, logger: Logger): OrgWatch =>
  new OrgWatch(bus, (error) => logger.warn('org_settings_failed', { error }));

const retentionsOf = (orgs: OrgWatch): Retention[] =>
  orgs
    .all()
    .flatMap(([org, { retention }]) =>
      retention?.sessionsMs === undefined ? [] : [{ org, sessionsMs: retention.sessionsMs }],
    );

/** Of what is open, and of what is to be erased. */
export const sweeperOf = (
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

export const feedsOf = (own: Omit<FeedContext, 'flusher' | 'turns' | 'store'>): FeedContext => ({
  ...own,
  store: new StoreWatch({ ...own, sessions: own.bus.sessions }),
  flusher: new Flusher(),
  turns: new Turns(LISTS_AT_ONCE),
});

type OwnParts = Pick<EdgeContext, 'hub' | 'leaving'> &
  Pick<AdmissionDeps, 'models' | 'orgs'> & { readonly storage: StorageGate };

export const contextOf = (
  options: EdgeOptions,
  feeds: FeedContext,
  { hub, leaving, models, storage, orgs }: OwnParts,
): EdgeContext => {
  const { bus, clock, tally, edge } = feeds;
  const limits = limitsOf(options);
  const {
    maxItemsPerSession,
    maxBytesPerSession,
    maxItemsPerUser = Math.floor(maxItemsPerSession * USER_SHARE),
  } = options;
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
    signals: new SignalBudget(options.signalBytesPerSecond),
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

const limitsOf = ({
  maxPromptBytes,
  maxFrameBytes,
  maxFramesPerSecond,
  maxSessionsPerConnection,
  maxItemsPerSession,
}: EdgeOptions): Limits => ({
  ...DEFAULT_LIMITS,
  ...{ maxPromptBytes, maxFrameBytes, maxFramesPerSecond, maxSessionsPerConnection, maxItemsPerSession },
});
