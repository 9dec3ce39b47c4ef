import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readyMessage, startChild, waitFor } from '@sluice/testkit';
import type { Child } from '@sluice/testkit';

const REPOSITORY = join(import.meta.dirname, '../..');
const BIN = join(REPOSITORY, 'services/cli/bin/sluice.js');

/** The line that `sluice up` prints when everything is ready. */
export type UpReady = {
  readonly ready: true;
  readonly url: string;
  readonly urls: readonly string[];
  readonly admin: string;
  readonly nats: string;
  readonly token: string;
  /** signs in a browser, once */
  readonly link: string;
  /** of the kill switch; absent where pages may not kill */
  readonly kill?: string;
  readonly pids: Readonly<Record<string, number>>;
};

export type Outcome = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

type Environment = Readonly<Record<string, string | undefined>>;

export type RunOptions = {
  /** on stdin, before its end */
  readonly input?: string;
  /** sent when the first output comes */
  readonly signal?: NodeJS.Signals;
  /** variables besides those of every command here */
  readonly env?: Environment;
};

/** A command line whose temporary folder and demo file are its own. */
export type CommandLine = {
  /** for everything temporary */
  readonly folder: string;
  /** Puts a text into a file. @returns its path */
  write(name: string, text: string): Promise<string>;
  /** Runs a command to its end. */
  run(args: readonly string[], options?: RunOptions): Promise<Outcome>;
  /** Starts a command that goes on. */
  start(args: readonly string[], env?: Environment): Promise<Child>;
  /** `sluice up` on free ports with a fast engine. */
  up(
    args?: readonly string[],
    env?: Environment,
  ): Promise<{ readonly child: Child; readonly ready: UpReady }>;
  /** Starts `npx sluice`, with npm and its shell in between. */
  npx(args: readonly string[]): Promise<Child>;
  /** Ends what was started and removes the folder. */
  close(): Promise<void>;
};

const ANY_PORTS = ['--port', '0', '--admin-port', '0'];
const START_TIMEOUT_MS = 25_000;

/** Nothing of the machine's own settings, or of a demo that happens to run on it. */
const environmentIn = (folder: string): Record<string, string | undefined> => ({
  ...Object.fromEntries(
    Object.keys(process.env).flatMap((name) =>
      /^SLUICE_(?!NATS_SERVER)/.test(name) ? [[name, undefined]] : [],
    ),
  ),
  NODE_OPTIONS: undefined,
  NO_COLOR: '1',
  TMPDIR: folder,
  XDG_RUNTIME_DIR: folder,
});

const runToEnd = (args: readonly string[], env: Environment, options: RunOptions): Promise<Outcome> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [BIN, ...args], {
      cwd: REPOSITORY,
      env: { ...process.env, ...env },
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (bytes: Buffer) => (stdout += bytes.toString()));
    child.stderr.on('data', (bytes: Buffer) => (stderr += bytes.toString()));
    const { input = '', signal } = options;
    if (signal !== undefined) child.stdout.once('data', () => child.kill(signal));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
    child.stdin.end(input);
  });

export const openCommandLine = async (): Promise<CommandLine> => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-cli-'));
  const base = environmentIn(folder);
  const started: Child[] = [];
  const launch = async (command: string, args: readonly string[], env: Environment = {}): Promise<Child> => {
    const child = await startChild(command, args, { cwd: REPOSITORY, env: { ...base, ...env } });
    started.push(child);
    return child;
  };
  const start: CommandLine['start'] = (args, env) => launch(process.execPath, [BIN, ...args], env);
  return {
    folder,
    start,
    npx: (args) => launch('npx', ['--no-install', 'sluice', ...args]),
    write: async (name, text) => {
      const path = join(folder, name);
      await writeFile(path, text);
      return path;
    },
    run: (args, options = {}) => runToEnd(args, { ...base, ...options.env }, options),
    up: async (args = [], env = {}) => {
      const speed = { SLUICE_SIMULATED_TTFT_MS: '1', SLUICE_SIMULATED_TOKENS_PER_SECOND: '0' };
      const natsPort = args.includes('--nats-url') ? [] : ['--nats-port', '0'];
      const child = await start(['up', ...ANY_PORTS, ...natsPort, ...args], { ...speed, ...env });
      return { child, ready: (await readyMessage(child, START_TIMEOUT_MS)) as UpReady };
    },
    close: async () => {
      await Promise.all(started.map((child) => child.kill('SIGTERM')));
      await rm(folder, { recursive: true, force: true });
    },
  };
};

export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    // ESRCH: that is the answer.
    return false;
  }
};

/** Waits until none of the processes exists any more. */
export const gone = async (pids: readonly number[]): Promise<void> => {
  await waitFor(() => !pids.some(isAlive), {
    what: `processes ${pids.join(', ')} to be gone`,
    timeoutMs: 10_000,
  });
};
