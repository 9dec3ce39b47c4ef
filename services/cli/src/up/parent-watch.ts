import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const LOOK_EVERY_MS = 500;

const parentOf = async (pid: number): Promise<number | undefined> => {
  try {
    const { stdout } = await promisify(execFile)('ps', ['-o', 'ppid=', '-p', `${pid}`]);
    return Number(stdout);
  } catch {
    // No `ps`, or the process is gone: then its own parent is all that can be watched.
    return undefined;
  }
};

const isThere = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    // Gone.
    return false;
  }
};

/**
 * `npx` runs a command in a shell, and passes on no signal: this process would outlive npx. Looks
 * at both, and only under npm, since what a shell starts in the background may outlive it.
 * @returns the function that stops watching
 */
export const watchParent = (env: NodeJS.ProcessEnv, onGone: () => void): (() => void) => {
  if (env['npm_command'] === undefined) return () => undefined;
  const shell = process.ppid;
  let npm: number | undefined;
  void parentOf(shell).then((pid) => (npm = pid));
  const timer = setInterval(() => {
    if (process.ppid === shell && (npm === undefined || isThere(npm))) return;
    clearInterval(timer);
    onGone();
  }, LOOK_EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
};
