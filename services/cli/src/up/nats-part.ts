import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { promisify } from 'node:util';
import { CliError } from '../cli-error.ts';
import { ROOT } from '../place.ts';
import type { PartOptions } from './part.ts';

type NatsOptions = Pick<PartOptions, 'log' | 'guard'> & {
  /** path of nats-server */
  readonly binary: string;
  /** folder of JetStream's store, made when it is not there */
  readonly store: string;
  /** client port on loopback; 0: any free one */
  readonly port: number;
};

const PROVISION_BUFFER_BYTES = 1 << 20;

/** Path of a nats-server that is new enough; fetches one the first time. @throws CliError */
export const provisionNats = async (): Promise<string> => {
  const script = `${ROOT}deploy/nats/provision.sh`;
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

/** An embedded nats-server with the configuration that is also meant for production on one machine. */
export const natsPart = ({ binary, store, port, log, guard }: NatsOptions): PartOptions => {
  mkdirSync(store, { recursive: true });
  return {
    name: 'nats',
    log,
    guard,
    launch: (last) => {
      // -1: any free port. After the first start the clients know the address, so a restart keeps it.
      const wanted = Number(last?.['port'] ?? port) || -1;
      const args = ['-c', `${ROOT}deploy/nats/single.conf`, '-a', '127.0.0.1', '-p', `${wanted}`, '-m', '-1'];
      return { command: binary, args, env: { NATS_STORE: store } };
    },
    readyIn: (line) => {
      const found = LISTENING.exec(line)?.[1];
      return found === undefined ? undefined : { port: Number(found), url: `nats://127.0.0.1:${found}` };
    },
  };
};
