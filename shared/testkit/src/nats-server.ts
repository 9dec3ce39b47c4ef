import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePort } from './port.ts';
import { startChild } from './process.ts';
import type { Child } from './process.ts';
import { waitFor } from './wait.ts';

export type NatsServerOptions = {
  /** path of the binary; default `$SLUICE_NATS_SERVER`, else what `deploy/nats/provision.sh` prints */
  readonly binary?: string;
  /** client port; default a free one, kept over restarts */
  readonly port?: number;
  /** JetStream's fsync interval: `always` or a duration; default `2m` (NATS's own, and quick) */
  readonly syncInterval?: string;
  /** JetStream's file store limit, default `16GB` */
  readonly maxFileStore?: string;
  /** serve the HTTP monitoring port; default false */
  readonly monitor?: boolean;
  /** more of the configuration file, for instance an `authorization` or a `cluster` block */
  readonly config?: string;
  /** server name, unique in a cluster; default `test-<port>` */
  readonly name?: string;
};

/** A real nats-server with JetStream on 127.0.0.1, with a temporary store of its own. */
export type NatsServer = {
  /** `nats://127.0.0.1:<port>`, the same over restarts */
  readonly url: string;
  readonly port: number;
  readonly monitorUrl?: string;
  /** of the running process; another one after a restart */
  readonly pid: number;
  /** the folder with all it stores */
  readonly storeDir: string;
  /** Signals the process (default SIGKILL) and awaits its exit, for 10 s by default. The store stays. */
  kill(signal?: NodeJS.Signals, timeoutMs?: number): Promise<void>;
  /** Starts it again with the same port and store; kills it first if it runs. */
  restart(): Promise<void>;
  /** SIGSTOP: sockets stay open and nothing answers from when this resolves. */
  pause(): Promise<void>;
  resume(): void;
  /** Ends the process and removes the store. Idempotent. */
  stop(): Promise<void>;
  /** the newest log lines, for failure messages */
  log(): string;
};

const START_TIMEOUT_MS = 20_000;
const PROVISION_SCRIPT = fileURLToPath(new URL('../../../deploy/nats/provision.sh', import.meta.url));

/** Path of the nats-server binary: `$SLUICE_NATS_SERVER`, else the last line `deploy/nats/provision.sh` prints. */
export const natsServerBinary = async (): Promise<string> => {
  const configured = process.env['SLUICE_NATS_SERVER'];
  if (configured) return configured;
  const { stdout } = await promisify(execFile)('/bin/sh', [PROVISION_SCRIPT]);
  const path = stdout.trim().split('\n').at(-1);
  if (!path) throw new Error(`expected a path on stdout of ${PROVISION_SCRIPT}, got nothing`);
  return path;
};

/** Resolves with the first line a TCP server says. A NATS server greets with `INFO {…}` once it serves clients. */
const greeting = (port: number): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' });
    let text = '';
    socket.setTimeout(1_000, () => socket.destroy(new Error('no greeting')));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed without a greeting')));
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1');
      if (!text.includes('\r\n')) return;
      resolve(text);
      socket.destroy();
    });
  });

const untilReady = async (child: Child, port: number): Promise<void> => {
  let gone = false;
  void child.exited.then(() => (gone = true));
  await waitFor(async () => gone || (await greeting(port)).startsWith('INFO '), {
    timeoutMs: START_TIMEOUT_MS,
    pollMs: 10,
    what: `nats-server's INFO on port ${port}`,
  });
  if (gone) throw new Error(`nats-server exited before it was ready:\n${child.output()}`);
};

type Addresses = { readonly port: number; readonly monitorPort: number | undefined; readonly dir: string };

const storeOf = (dir: string): string => join(dir, 'store');

const configText = (options: NatsServerOptions, { port, monitorPort, dir }: Addresses): string =>
  [
    `listen: "127.0.0.1:${port}"`,
    `server_name: "${options.name ?? `test-${port}`}"`,
    monitorPort === undefined ? '' : `http: "127.0.0.1:${monitorPort}"`,
    'jetstream {',
    `  store_dir: ${JSON.stringify(storeOf(dir))}`,
    `  sync_interval: ${options.syncInterval ?? '2m'}`,
    `  max_file_store: ${options.maxFileStore ?? '16GB'}`,
    '}',
    options.config ?? '',
    '',
  ].join('\n');

const isPortTaken = (error: unknown): boolean => /address already in use/.test(String(error));

/** @throws Error with the server's log when it does not come up; with the reason when there is no binary */
export const startNatsServer = async (options: NatsServerOptions = {}): Promise<NatsServer> => {
  const binary = options.binary ?? (await natsServerBinary());
  const dir = await mkdtemp(join(tmpdir(), 'sluice-nats-'));
  for (let attempt = 1; ; attempt += 1) {
    const monitorPort = options.monitor ? await freePort() : undefined;
    const addresses = { port: options.port ?? (await freePort()), monitorPort, dir };
    const configPath = join(dir, 'nats.conf');
    await writeFile(configPath, configText(options, addresses));
    const run = (): Promise<Child> => launch(binary, configPath, addresses.port);
    try {
      return serverOf(addresses, run, await run());
    } catch (error) {
      if (attempt < 5 && options.port === undefined && isPortTaken(error)) continue;
      await rm(dir, { recursive: true, force: true });
      throw error;
    }
  }
};

const launch = async (binary: string, configPath: string, port: number): Promise<Child> => {
  const child = await startChild(binary, ['--config', configPath]);
  try {
    await untilReady(child, port);
    return child;
  } catch (error) {
    await child.kill();
    throw error;
  }
};

const serverOf = (addresses: Addresses, run: () => Promise<Child>, first: Child): NatsServer => {
  const { port, monitorPort, dir } = addresses;
  let child = first;
  const kill = async (signal: NodeJS.Signals = 'SIGKILL', timeoutMs?: number): Promise<void> =>
    void (await child.kill(signal, timeoutMs));
  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    storeDir: storeOf(dir),
    ...(monitorPort === undefined ? {} : { monitorUrl: `http://127.0.0.1:${monitorPort}` }),
    get pid() {
      return child.pid;
    },
    kill,
    restart: async () => {
      await kill();
      child = await run();
    },
    pause: () => child.pause(),
    resume: () => child.resume(),
    stop: async () => {
      await kill();
      await rm(dir, { recursive: true, force: true });
    },
    log: () => child.output(),
  };
};
