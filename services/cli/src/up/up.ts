import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { removeDemo, writeDemo } from '../demo-file.ts';
import { newestOf } from '../secrets.ts';
import { banner } from './banner.ts';
import { startGuard } from './guard.ts';
import { startDoor } from './door.ts';
import type { Door } from './door.ts';
import { jsonLog, prettyLog } from './log.ts';
import type { UpLog } from './log.ts';
import { watchParent } from './parent-watch.ts';
import { Parts, startSystem } from './system.ts';
import type { System, SystemOptions } from './system.ts';

export type UpOptions = Omit<
  SystemOptions,
  'store' | 'isKept' | 'jwtSecret' | 'operatorOrg' | 'webConnect'
> & {
  /** where data is kept; undefined: a temporary folder that goes when this ends */
  readonly data: string | undefined;
  readonly jwtSecret: string | undefined;
  readonly pretty: boolean;
  /** logs hold everything that NATS says, and the stacks of crashes */
  readonly debug: boolean;
};

const LOOPBACKS: ReadonlySet<string> = new Set(['127.0.0.1', 'localhost', '::1']);
const TOKEN_TTL_SECONDS = 7 * 24 * 3_600;
/** The person who runs the demo operates it, and so sees all figures. */
const DEMO = { org: 'demo', user: 'you', scope: 'read prompt cancel signal admin' } as const;

/**
 * Resolves with the first signal that asks to stop, or when npx is gone; the second one ends the process and leaves the
 * rest to the guard.
 */
const stopSignal = (log: UpLog): Promise<NodeJS.Signals | 'parent'> =>
  new Promise((resolved) => {
    let isAsked = false;
    const stop = (signal: NodeJS.Signals | 'parent'): void => {
      if (isAsked) process.exit(1);
      isAsked = true;
      unwatch();
      log.event('info', 'up', 'stopping', { signal });
      resolved(signal);
    };
    const unwatch = watchParent(process.env, () => stop('parent'));
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop(signal));
  });

/** The embedded servers make the folder themselves. */
const store = (
  data: string | undefined,
): { readonly path: string; readonly temporary: readonly string[] } => {
  if (data !== undefined) return { path: resolve(data), temporary: [] };
  const path = mkdtempSync(join(tmpdir(), 'sluice-up-'));
  return { path, temporary: [path] };
};

type Announcement = {
  readonly secret: string;
  readonly door: Door | undefined;
  readonly pretty: boolean;
  readonly log: UpLog;
};

const announce = async (system: System, { secret, door, pretty, log }: Announcement): Promise<void> => {
  const { signToken } = await import('../token/sign-token.ts');
  const { urls, admin, nats, replicas } = system;
  const [url = ''] = urls;
  const token = signToken({ ...DEMO, ttlSeconds: TOKEN_TTL_SECONDS }, newestOf(secret));
  try {
    writeDemo({ pid: process.pid, url, token, nats, replicas, admin, secret });
  } catch (error) {
    log.event('warn', 'up', 'other commands will need --url and --token', {
      error: (error as Error).message,
    });
  }
  // In the fragment, which browsers send to nobody.
  const link = `${url}/#${door === undefined ? `token=${token}` : `code=${door.offer(token)}`}`;
  if (pretty) process.stderr.write(banner(system, link));
  // For programs; a person at a terminal has the banner.
  if (!pretty || !process.stdout.isTTY)
    process.stdout.write(
      `${JSON.stringify({ ready: true, url, urls, admin, nats, token, link, kill: door?.key, pids: system.pids() })}\n`,
    );
};

/**
 * Runs NATS, edges and workers until it is asked to stop; leaves no process and no temporary data behind.
 * @throws CliError when something cannot start
 */
export const up = async (options: UpOptions): Promise<void> => {
  const { pretty, debug, data, jwtSecret = randomBytes(32).toString('hex') } = options;
  const write = (text: string): void => void process.stderr.write(text);
  const log = (pretty ? prettyLog : jsonLog)({ write, debug });
  const asked = stopSignal(log);
  const { path, temporary } = store(data);
  const guard = startGuard(temporary);
  const parts = new Parts();
  // For the person at this machine: nobody else reaches it.
  const door = LOOPBACKS.has(options.host) ? await startDoor(parts) : undefined;
  try {
    const start = startSystem(
      {
        ...options,
        ...{ jwtSecret, operatorOrg: DEMO.org, webConnect: door?.origin },
        ...{ store: join(path, 'nats'), isKept: data !== undefined },
      },
      parts,
      { log, guard },
    );
    const first = await Promise.race([start, asked]);
    if (typeof first !== 'string') {
      await announce(first, { secret: jwtSecret, door, pretty, log });
      await asked;
    }
    // Asked while starting: that the start then fails is no news.
    start.catch(() => undefined);
  } finally {
    removeDemo(process.pid);
    await door?.close();
    await parts.stop();
    for (const folder of temporary) rmSync(folder, { recursive: true, force: true });
    guard.dismiss();
  }
};
