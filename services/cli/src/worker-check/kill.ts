import { spawn } from 'node:child_process';
import { CliError } from '../cli-error.ts';

const KILL_COMMAND_MS = 30_000;

const runShell = (command: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const child = spawn('/bin/sh', ['-c', command], { stdio: 'ignore', timeout: KILL_COMMAND_MS });
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      if (code === 0) resolve();
      else
        reject(
          new CliError(`--kill-command: expected it to succeed, it ended with ${signal ?? `code ${code}`}`),
        );
    });
  });

/** How to kill a worker: a command of the operator's, or kill -9 of a process here; undefined: not at all. */
export const killOf = (
  command: string | undefined,
  pid: number | undefined,
): (() => Promise<void>) | undefined => {
  if (command !== undefined) return () => runShell(command);
  if (pid === undefined) return undefined;
  return async () => void process.kill(pid, 'SIGKILL');
};
