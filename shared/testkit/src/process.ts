import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { deferred, Queue, waitFor, withTimeout } from './wait.ts';

export type ProcessExit = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

export type ChildOptions = {
  /** added to (not instead of) this process's environment; undefined removes a variable */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
};

/** One process that a test started. It is only ever signalled by PID, and it dies with the test process. */
export type Child = {
  readonly pid: number;
  /** lines not yet taken, without their line ends */
  readonly stdout: Queue<string>;
  readonly stderr: Queue<string>;
  readonly exited: Promise<ProcessExit>;
  /** everything written so far, for failure messages; the newest 64 KiB of each stream */
  output(): string;
  /** Sends the signal (default SIGKILL), resumes a paused process so that it can act on it, awaits the exit. */
  kill(signal?: NodeJS.Signals, timeoutMs?: number): Promise<ProcessExit>;
  signal(signal: NodeJS.Signals): void;
  /** SIGSTOP; resolves when every thread stands still, which is some time after the signal was sent. */
  pause(): Promise<void>;
  /** SIGCONT */
  resume(): void;
};

const MAX_OUTPUT_CHARS = 64 * 1024;

/**
 * Ends `pid` when this process is gone, even by SIGKILL or a crash, where no exit hook would run: the guard's
 * stdin is a pipe that only this process holds, so its end is this process's end.
 */
const guard = (pid: number): ChildProcess => {
  const script = `trap '' INT TERM HUP; read -r _; kill -9 "$1"`;
  const child = spawn('/bin/sh', ['-c', script, 'testkit-guard', String(pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  child.on('error', () => {
    // Without a shell the tests still run; only the clean-up after a crash of the test process is lost.
  });
  child.unref();
  const pipe = child.stdin as (NodeJS.WritableStream & { unref?: () => void }) | null;
  pipe?.unref?.();
  return child;
};

/** Whether all threads are in state T. Where there is no /proc, the signal is taken at its word. */
const isStopped = async (pid: number): Promise<boolean> => {
  if (!existsSync('/proc/self/task')) return true;
  const threads = await readdir(`/proc/${pid}/task`);
  const stats = await Promise.all(threads.map((id) => readFile(`/proc/${pid}/task/${id}/stat`, 'latin1')));
  // The state follows the command's name, which is in brackets and may itself contain brackets.
  return stats.every((stat) => stat.slice(stat.lastIndexOf(')') + 2).startsWith('T'));
};

const collect = (stream: Readable, lines: Queue<string>, keep: (text: string) => void): void => {
  createInterface({ input: stream, crlfDelay: Infinity }).on('line', (line) => {
    lines.push(line);
    keep(`${line}\n`);
  });
};

/** Starts a process. @throws Error when the binary cannot be run */
export const startChild = async (
  command: string,
  args: readonly string[],
  options: ChildOptions = {},
): Promise<Child> => {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const spawned = deferred<void>();
  const exit = deferred<ProcessExit>();
  child.once('spawn', () => spawned.resolve());
  child.once('error', (error) => spawned.reject(error));
  await spawned.promise;
  const pid = child.pid as number;
  const watcher = guard(pid);
  const stdout = new Queue<string>(`a line on stdout of ${command}`);
  const stderr = new Queue<string>(`a line on stderr of ${command}`);
  let output = '';
  const keep = (text: string): void => {
    output = (output + text).slice(-MAX_OUTPUT_CHARS);
  };
  collect(child.stdout, stdout, keep);
  collect(child.stderr, stderr, keep);
  child.once('exit', () => watcher.kill('SIGKILL'));
  // `close` and not `exit`: only then have all lines arrived.
  child.once('close', (code, signal) => {
    const gone = new Error(`${command} ${args.join(' ')} exited with ${signal ?? code}\n${output}`);
    stdout.end(gone);
    stderr.end(gone);
    exit.resolve({ code, signal });
  });
  return {
    pid,
    stdout,
    stderr,
    exited: exit.promise,
    output: () => output,
    signal: (signal) => void child.kill(signal),
    pause: async () => {
      child.kill('SIGSTOP');
      await waitFor(() => isStopped(pid), { what: `process ${pid} to stop`, pollMs: 1 });
    },
    resume: () => void child.kill('SIGCONT'),
    kill: async (signal = 'SIGKILL', timeoutMs = 10_000) => {
      child.kill(signal);
      child.kill('SIGCONT');
      return withTimeout(exit.promise, timeoutMs, `process ${pid} to exit after ${signal}`);
    },
  };
};

const REPOSITORY = fileURLToPath(new URL('../../..', import.meta.url));

/**
 * Runs one of our TypeScript entry points without a build: Node with the `source` export condition and tsx.
 * The process inherits nothing from jest's own Node flags. `cwd` defaults to the repository, where tsx is found.
 */
export const spawnNode = (
  scriptPath: string,
  args: readonly string[] = [],
  options: ChildOptions = {},
): Promise<Child> =>
  startChild(process.execPath, ['--conditions=sluice-source', '--import', 'tsx', scriptPath, ...args], {
    cwd: REPOSITORY,
    ...options,
    env: { NODE_OPTIONS: undefined, ...options.env },
  });

/**
 * The first line of stdout that is a JSON object: our services print exactly one when they are ready. Lines
 * before it are passed over.
 * @throws Error with the process's output when it exits first
 */
export const readyMessage = async (child: Child, timeoutMs = 15_000): Promise<Record<string, unknown>> => {
  const lines = await child.stdout.takeUntil((line) => parseObject(line) !== undefined, timeoutMs);
  return parseObject(lines.at(-1) ?? '') ?? {};
};

const parseObject = (line: string): Record<string, unknown> | undefined => {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    // Not JSON after all: an ordinary line that begins with a brace.
    return undefined;
  }
};
