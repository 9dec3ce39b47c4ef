import { makeFolder } from './folder.ts';
import { natsPart, provisionNats } from './nats-part.ts';
import type { ClusterNode } from './nats-part.ts';
import type { Facts, PartOptions } from './part.ts';
import { freePorts, preferPorts, requirePort } from './ports.ts';

export type EmbeddedNats = {
  /** servers: 1, or 3 that form a cluster */
  readonly nodes: 1 | 3;
  /** of the first server, the next ones follow; 0: any free ones */
  readonly port: number;
  /** folder of the store, made if need be; each server of a cluster has one beside it, named by its number */
  readonly store: string;
};

type Tools = Pick<PartOptions, 'log' | 'guard'>;

const LOOPBACK = '127.0.0.1';
const DEFAULT_PORT = 4_222;

const portsFrom = (first: number, count: number): readonly number[] =>
  Array.from({ length: count }, (_, index) => (first === 0 ? 0 : first + index));

/**
 * Looked at before anything starts.
 * @param wanted of the first server; undefined: 4222 and the next ones if all are free, else any
 * @throws CliError for the first port that cannot be had
 */
export const claimNatsPort = async (wanted: number | undefined, nodes: number): Promise<number> => {
  if (wanted === undefined) return preferPorts(LOOPBACK, portsFrom(DEFAULT_PORT, nodes));
  const hint = 'use the NATS that runs there with --nats-url';
  for (const port of portsFrom(wanted, nodes))
    await requirePort({ host: LOOPBACK, port, flag: '--nats-port', hint });
  return wanted;
};

/**
 * Starts the servers, all at once: those of a cluster are ready when they have agreed on a leader.
 * @returns their addresses, separated by commas
 * @throws CliError when a folder cannot be made, or one ends before it is ready
 */
export const startNats = async (
  { nodes, port, store }: EmbeddedNats,
  start: (options: PartOptions) => Promise<Facts>,
  tools: Tools,
): Promise<string> => {
  const stores = nodes === 1 ? [store] : Array.from({ length: nodes }, (_, index) => `${store}-${index + 1}`);
  for (const folder of stores) makeFolder(folder);
  const binary = await provisionNats();
  const ports = portsFrom(port, nodes);
  const routePorts = nodes === 1 ? [] : await freePorts(LOOPBACK, nodes);
  const started = stores.map((folder, index) => {
    const node: ClusterNode | undefined = nodes === 1 ? undefined : { number: index + 1, routePorts };
    return start(natsPart({ ...tools, binary, store: folder, port: ports[index] ?? 0, node }));
  });
  const facts = await Promise.all(started);
  return facts.map(({ url }) => String(url)).join(',');
};
