import { lstatSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

/** What `sluice up` leaves behind for the other commands while it runs, so that they need no flags. */
export type Demo = {
  /** of the supervisor: once it is gone the rest means nothing */
  readonly pid: number;
  readonly url: string;
  readonly token: string;
  readonly nats: string;
  /** copies of every stream there; undefined: whatever that NATS was used with before */
  readonly replicas?: 1 | 3 | undefined;
  readonly admin: string;
  /** signs tokens for more users */
  readonly secret: string;
};

const folder = (): string => {
  const { XDG_RUNTIME_DIR: runtimeDir = '' } = process.env;
  const base = statSync(runtimeDir, { throwIfNoEntry: false })?.isDirectory() ? runtimeDir : tmpdir();
  return join(base, `sluice-${userInfo().uid}`);
};

export const demoPath = (): string => join(folder(), 'demo.json');

/**
 * Whether nobody else can have put a file there: the place may be in a folder that everybody can write to, and
 * a planted file would send our prompts to a stranger's server.
 */
const isOurs = (path: string): boolean => {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return (
    found !== undefined &&
    !found.isSymbolicLink() &&
    found.uid === userInfo().uid &&
    (found.mode & 0o077) === 0
  );
};

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    // Gone, or somebody else's by now.
    return false;
  }
};

/** @throws Error when the folder is not ours or cannot be written */
export const writeDemo = (demo: Demo): void => {
  mkdirSync(folder(), { recursive: true, mode: 0o700 });
  if (!isOurs(folder()))
    throw new Error(`${folder()}: expected a folder that only this user can use; remove it`);
  rmSync(demoPath(), { force: true });
  writeFileSync(demoPath(), `${JSON.stringify(demo)}\n`, { mode: 0o600, flag: 'wx' });
};

/** The demo of this user that runs now, if one does. */
export const readDemo = (): Demo | undefined => {
  try {
    if (!isOurs(folder()) || !isOurs(demoPath())) return undefined;
    const demo = JSON.parse(readFileSync(demoPath(), 'utf8')) as Demo;
    return isAlive(demo.pid) ? demo : undefined;
  } catch {
    // Removed in this moment, or half of something older: as good as no demo.
    return undefined;
  }
};

/** Leaves a newer demo's file alone. */
export const removeDemo = (pid: number): void => {
  if (readDemo()?.pid === pid) rmSync(demoPath(), { force: true });
};
