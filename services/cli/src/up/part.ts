import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { CliError } from '../cli-error.ts';
import { failureIn } from './failure.ts';
import type { Guard } from './guard.ts';
import type { UpLog } from './log.ts';

/** What a part says about itself when it is ready: addresses, mostly. */
export type Facts = Readonly<Record<string, unknown>>;

export type Launch = {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
};

export type PartOptions = {
  readonly name: string;
  /** @param last facts of the run before, so that a restart can take the same ports; undefined at first */
  readonly launch: (last: Facts | undefined) => Launch;
  /** The facts, when this line of output says that the part is ready. */
  readonly readyIn: (line: string) => Facts | undefined;
  readonly log: UpLog;
  readonly guard: Guard;
};

type State =
  | { readonly type: 'idle' | 'stopped' }
  | { readonly type: 'running'; readonly child: ChildProcess; readonly exited: Promise<void> }
  | { readonly type: 'waiting'; readonly timer: NodeJS.Timeout };

const BACKOFF_MS = { first: 250, most: 5_000 } as const;
/** A run this long starts the backoff anew, ms. */
const STABLE_MS = 10_000;
const KEPT_LINES = 40;
/** Output that a dead process leaves in its pipes arrives at once; a grandchild may hold them open, ms. */
const LAST_WORDS_MS = 500;

/** One process that is kept running. A crash after it was ready is a restart, a crash before is a failure. */
export class Part {
  readonly name: string;
  readonly #options: PartOptions;
  #state: State = { type: 'idle' };
  #facts: Facts | undefined;
  #crashes = 0;

  constructor(options: PartOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** undefined between two runs */
  get pid(): number | undefined {
    return this.#state.type === 'running' ? this.#state.child.pid : undefined;
  }

  /** what it said when it was ready last; undefined before */
  get facts(): Facts | undefined {
    return this.#facts;
  }

  /** Ends it as a crash would, and so it is started again. @returns false between two runs */
  kill(): boolean {
    return this.#state.type === 'running' && this.#state.child.kill('SIGKILL');
  }

  /** Resolves when it is ready for the first time. @throws CliError when it ends before */
  start(): Promise<Facts> {
    return new Promise((resolve, reject) => this.#run({ resolve, reject }));
  }

  /** SIGTERM, then SIGKILL after `deadlineMs`; resolves when the process is gone. Idempotent. */
  async stop(deadlineMs: number): Promise<void> {
    const state = this.#state;
    this.#state = { type: 'stopped' };
    if (state.type === 'waiting') clearTimeout(state.timer);
    if (state.type !== 'running') return;
    state.child.kill('SIGTERM');
    const timer = setTimeout(() => {
      this.#options.log.event('info', this.name, 'ended_by_force', { afterMs: deadlineMs });
      state.child.kill('SIGKILL');
    }, deadlineMs);
    await state.exited;
    clearTimeout(timer);
  }

  #run(first?: { resolve: (facts: Facts) => void; reject: (error: Error) => void }): void {
    if (this.#state.type === 'stopped') return;
    const { name, log, guard } = this.#options;
    const { command, args, env } = this.#options.launch(this.#facts);
    const startedAt = performance.now();
    // A group of its own, or Ctrl-C in the terminal would end NATS together with those who still need it.
    const child = spawn(command, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const { pid } = child;
    if (pid !== undefined) guard.watch(pid);
    log.event('info', name, 'starting', { pid });
    let isReady = false;
    const lines = follow(child, (line) => {
      const facts = isReady ? undefined : this.#options.readyIn(line);
      if (facts === undefined) return log.line(name, line);
      isReady = true;
      this.#facts = facts;
      if (first === undefined) log.event('info', name, 'ready_again', { pid });
      first?.resolve(facts);
    });
    const exited = exitOf(child).then(async (exit) => {
      if (pid !== undefined) guard.forget(pid);
      const reason = exit.isSignal ? exit.how : (failureIn(await lines()) ?? exit.how);
      if (this.#state.type === 'stopped')
        first?.reject(new CliError(`${name} was stopped before it was ready`));
      else if (first === undefined || isReady) this.#restart(performance.now() - startedAt, reason);
      else {
        this.#state = { type: 'stopped' };
        first.reject(new CliError(`${name} could not start: ${reason}`));
      }
    });
    this.#state = { type: 'running', child, exited };
  }

  #restart(ranMs: number, reason: string): void {
    this.#crashes = ranMs >= STABLE_MS ? 0 : this.#crashes;
    const inMs = Math.min(BACKOFF_MS.most, BACKOFF_MS.first * 2 ** this.#crashes);
    this.#crashes += 1;
    this.#options.log.event('warn', this.name, 'crashed', { reason, restartInMs: inMs });
    this.#state = { type: 'waiting', timer: setTimeout(() => this.#run(), inMs) };
  }
}

type Exit = { readonly how: string; readonly isSignal: boolean };

const exitOf = (child: ChildProcess): Promise<Exit> =>
  new Promise((resolve) => {
    child.once('error', (error) => resolve({ how: error.message, isSignal: false }));
    child.once('exit', (code, signal) =>
      resolve({ how: signal ?? `exit code ${code}`, isSignal: signal !== null }),
    );
  });

/** @returns the newest lines, once all have arrived */
const follow = (
  child: ChildProcess & { stdout: Readable; stderr: Readable },
  onLine: (line: string) => void,
): (() => Promise<readonly string[]>) => {
  const kept: string[] = [];
  const ended = [child.stdout, child.stderr].map(
    (stream) =>
      new Promise<void>((resolve) => {
        const lines = createInterface({ input: stream, crlfDelay: Infinity });
        lines.on('line', (line) => {
          kept.push(line);
          if (kept.length > KEPT_LINES) kept.shift();
          onLine(line);
        });
        lines.once('close', resolve);
      }),
  );
  return async () => {
    const late = new Promise((resolve) => setTimeout(resolve, LAST_WORDS_MS).unref());
    await Promise.race([Promise.all(ended), late]);
    return kept;
  };
};
