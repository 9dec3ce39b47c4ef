import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CliError } from '../cli-error.ts';
import { natsFolder } from '../place.ts';
import type { PartOptions } from './part.ts';

type NatsOptions = Pick<PartOptions, 'log' | 'guard'> & {
  /** path of nats-server */
  readonly binary: string;
  /** folder of JetStream's store */
  readonly store: string;
  /** client port on loopback; 0: any free one */
  readonly port: number;
  /** undefined: it is alone */
  readonly node: ClusterNode | undefined;
};

/** One server's place in a cluster on this machine. */
export type ClusterNode = {
  /** from 1; its name is how the cluster knows whose log is whose, also after a restart */
  readonly number: number;
  /** where the servers reach each other, in the order of their numbers */
  readonly routePorts: readonly number[];
};

const PROVISION_BUFFER_BYTES = 1 << 20;

/** Path of a nats-server that is new enough; fetches one the first time. @throws CliError */
export const provisionNats = async (): Promise<string> => {
  const script = join(natsFolder(), 'provision.sh');
  try {
    const running = promisify(execFile)('/bin/sh', [script], { maxBuffer: PROVISION_BUFFER_BYTES });
    // Fetching takes a while, and the script shows that it is alive.
    running.child.stderr?.pipe(process.stderr, { end: false });
    return (await running).stdout.trim();
  } catch {
    throw new CliError('no usable nats-server: see above for the ways to get one, or use --nats-url');
  }
};

const LISTENING = /\[INF\] Listening for client connections on \S*:(\d+)$/;
const LED =
  /\[INF\] (?:Self is new JetStream cluster metadata leader|JetStream cluster new metadata leader: .*)$/;

const clusterArguments = ({ number, routePorts }: ClusterNode): readonly string[] => {
  const routes = routePorts.map((port) => `nats://127.0.0.1:${port}`);
  return [
    ...['--name', `nats-${number}`, '--cluster_name', 'sluice'],
    ...['--cluster', routes[number - 1] ?? '', '--routes', routes.join(',')],
  ];
};

/** An embedded nats-server with the configuration that is also meant for production on one machine. */
export const natsPart = ({ binary, store, port, node, log, guard }: NatsOptions): PartOptions => {
  let listening: string | undefined;
  return {
    name: node === undefined ? 'nats' : `nats-${node.number}`,
    log,
    guard,
    launch: (last) => {
      listening = undefined;
      // -1: any free port. After the first start the clients know the address, so a restart keeps it.
      const wanted = Number(last?.['port'] ?? port) || -1;
      const config = join(natsFolder(), 'single.conf');
      const args = ['-c', config, '-a', '127.0.0.1', '-p', `${wanted}`, '-m', '-1'];
      const cluster = node === undefined ? [] : clusterArguments(node);
      return { command: binary, args: [...args, ...cluster], env: { NATS_STORE: store } };
    },
    readyIn: (line) => {
      listening ??= LISTENING.exec(line)?.[1];
      const isReady = node === undefined || LED.test(line);
      if (!isReady || listening === undefined) return undefined;
      return { port: Number(listening), url: `nats://127.0.0.1:${listening}` };
    },
  };
};
