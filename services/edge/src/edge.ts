import type { AddressInfo } from 'node:net';
import { placedBus } from '@sluice/bus';
import type { Bus } from '@sluice/bus';
import { foreignLog, NO_TRACING, persist, systemClock } from '@sluice/runtime';
import type { Clock, Logger, Metrics, readDescriptors, Tracing } from '@sluice/runtime';
import { EdgeTally } from './tally/edge-tally.ts';
import { createHttpServer } from './http-server.ts';
import { Hub, TICK_MS } from './feeds/hub.ts';
import { StorageGate } from './requests/storage-gate.ts';
import type { Transport } from './transports/transport.ts';
import {
  contextOf,
  doorsOf,
  feedsOf,
  metricsOf,
  modelsOf,
  orgWatch,
  reserveDescriptors,
  sweeperOf,
} from './edge-parts.ts';
import type { EdgeOptions } from './config.ts';

/** Clients are told to reconnect somewhere within this time when the edge drains, ms. */
const DRAIN_SPREAD_MS = 5_000;

export type EdgeDeps = {
  readonly bus: Bus;
  readonly logger: Logger;
  readonly clock?: Clock;
  /** where spans go; default nowhere */
  readonly tracing?: Tracing;
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

/** Builds an edge on a bus and listens. The caller owns the bus and closes it afterwards. */
export const createEdge = async (options: EdgeOptions, deps: EdgeDeps): Promise<Edge> => {
  const { logger, clock = systemClock, tracing = NO_TRACING } = deps;
  const tally = new EdgeTally();
  const storage = new StorageGate(deps.bus.link, logger, clock);
  const metrics = metricsOf(tally, () => ({ ...context, storage, waiting }));
  const foreign = deps.bus.border.onForeign(foreignLog({ counts: tally.foreign, logger, clock }));
  const leaving = new AbortController();
  const { models, waiting } = modelsOf(options, { bus: deps.bus, logger, clock });
  const bus = options.placement ? placedBus(deps.bus, models.placement) : deps.bus;
  const feeds = feedsOf({ bus, clock, tally, logger, tracing, edge: options.name });
  const hub = new Hub(feeds, options.lingerMs);
  const orgs = orgWatch(bus, logger);
  const sweeper = sweeperOf(options, { bus, clock, logger, orgs });
  const context = contextOf(options, feeds, { hub, models, leaving: leaving.signal, storage, orgs });
  const { revoked, publicSockets, stats, users } = context;
  const looking = [storage, sweeper, models, waiting, orgs, revoked];
  const { origins, sockets, streams, httpConnections, calls } = doorsOf(context, options);
  const transports: readonly Transport[] = [sockets, streams, httpConnections];

  const shared = { ...context, streams, httpConnections, calls };
  const http = await createHttpServer(shared, { ...options, origins });
  http.server.on('upgrade', (request, socket, head) => sockets.upgrade(request, socket, head));

  // NATS was there a moment ago: if it goes away now, it is waited for as it is later.
  const opened = (open: () => Promise<void>): Promise<void> => persist(open, clock, leaving.signal);
  const watches = [revoked, orgs, calls].map((part) => opened(() => part.open()));
  const looks = [() => stats.start(), () => feeds.store.look()].map(opened);
  await Promise.all([storage.open(), models.open(), waiting.open(), ...watches, ...looks]);
  const ticked = [revoked, hub, publicSockets, ...transports, stats, users, sweeper];
  const tick = (): void => ticked.forEach((part) => part.tick(clock.now()));
  const ticking = setInterval(tick, TICK_MS);
  const reconnects = bus.link.onReconnect(() => [hub, revoked].forEach((part) => part.recheck()));

  await http.listen({ port: options.port, host: options.host });
  await reserveDescriptors(publicSockets, deps);
  const { port } = http.server.address() as AddressInfo;
  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    leaving.abort();
    for (const part of [...looking, stats, users, reconnects, calls, foreign]) part.close();
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
