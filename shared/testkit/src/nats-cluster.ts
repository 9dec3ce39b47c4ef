import { NatsNetwork } from './nats-network.ts';
import { startNatsServer } from './nats-server.ts';
import type { NatsServer, NatsServerOptions } from './nats-server.ts';
import { freePort } from './port.ts';
import { waitFor } from './wait.ts';

export type NatsCluster = {
  readonly servers: readonly NatsServer[];
  /** one per server, in order */
  readonly urls: readonly string[];
  /** the routes between the servers */
  readonly network: NatsNetwork;
  /** the server that leads JetStream's meta group now; waits through an election */
  metaLeader(): Promise<NatsServer>;
  /** the server that leads a stream now; waits through an election */
  streamLeader(stream: string): Promise<NatsServer>;
  /** Resolves when every server is healthy: it has caught up with all it stores. */
  healthy(): Promise<void>;
  stop(): Promise<void>;
};

export type NatsClusterOptions = Omit<NatsServerOptions, 'name' | 'port' | 'monitor'> & {
  /** more of each server's `cluster` block, for instance `tls` */
  readonly routes?: string;
};

const ELECTION_TIMEOUT_MS = 20_000;

type Led = { readonly name?: string; readonly cluster?: { readonly leader?: string } };
type Jsz = {
  readonly meta_cluster?: { readonly leader?: string; readonly cluster_size?: number };
  readonly account_details?: readonly { readonly stream_detail?: readonly Led[] }[];
};

const jsz = async (server: NatsServer): Promise<Jsz> => {
  const response = await fetch(`${server.monitorUrl}/jsz?streams=1`, { signal: AbortSignal.timeout(1_000) });
  return (await response.json()) as Jsz;
};

const isHealthy = async (server: NatsServer): Promise<boolean> => {
  const response = await fetch(`${server.monitorUrl}/healthz`, { signal: AbortSignal.timeout(1_000) });
  return response.ok;
};

const nameOf = (index: number): string => `n${index + 1}`;

/** `size` servers on loopback that form one JetStream cluster; resolves when every server is healthy. */
export const startNatsCluster = async (
  size = 3,
  { routes = '', ...options }: NatsClusterOptions = {},
): Promise<NatsCluster> => {
  const routePorts = await Promise.all(Array.from({ length: size }, () => freePort()));
  const network = await NatsNetwork.open(routePorts);
  const start = (routePort: number, index: number): Promise<NatsServer> => {
    const cluster = `name: test, listen: "127.0.0.1:${routePort}", ${network.configOf(index)}\n${routes}`;
    const config = `cluster { ${cluster} }\n${options.config ?? ''}`;
    return startNatsServer({ ...options, config, name: nameOf(index), monitor: true });
  };
  const results = await Promise.allSettled(routePorts.map(start));
  const servers = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const stop = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.stop()));
    await network.close();
  };
  const metaLeader = (): Promise<NatsServer> =>
    findLeader(servers, 'JetStream', ({ meta_cluster }) => meta_cluster?.leader);
  const healthy = async (): Promise<void> => void (await Promise.all(servers.map(untilHealthy)));
  try {
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    await metaLeader();
    await healthy();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    servers,
    urls: servers.map((server) => server.url),
    network,
    metaLeader,
    streamLeader: (stream) => findLeader(servers, `stream ${stream}`, (view) => leaderOf(view, stream)),
    healthy,
    stop,
  };
};

const leaderOf = ({ account_details = [] }: Jsz, stream: string): string | undefined =>
  account_details.flatMap(({ stream_detail = [] }) => stream_detail).find(({ name }) => name === stream)
    ?.cluster?.leader;

const untilHealthy = (server: NatsServer): Promise<boolean> =>
  waitFor(() => isHealthy(server), {
    timeoutMs: ELECTION_TIMEOUT_MS,
    pollMs: 50,
    what: `${server.url} to be healthy`,
  });

// Every server is asked for the name it believes in, and only a leader that agrees counts: one that was just
// deposed or killed may still be named by the others.
const findLeader = (
  servers: readonly NatsServer[],
  what: string,
  leaderIn: (view: Jsz) => string | undefined,
): Promise<NatsServer> =>
  waitFor(
    async () => {
      const views = await Promise.allSettled(servers.map(jsz));
      return servers.find((_server, index) => {
        const view = views[index];
        return view?.status === 'fulfilled' && leaderIn(view.value) === nameOf(index);
      });
    },
    { timeoutMs: ELECTION_TIMEOUT_MS, pollMs: 50, what: `a leader of ${what}` },
  );
