import { spawn } from 'node:child_process';
import { CliError } from '../cli-error.ts';

const COMMAND_MS = 30_000;

const runShell = (option: string, command: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const child = spawn('/bin/sh', ['-c', command], { stdio: 'ignore', timeout: COMMAND_MS });
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      if (code === 0) resolve();
      else
        reject(new CliError(`${option}: expected it to succeed, it ended with ${signal ?? `code ${code}`}`));
    });
  });

type Act = () => Promise<void>;

/** What an operator's command does to a worker; undefined: there is none. */
export const commandOf = (option: string, command: string | undefined): Act | undefined =>
  command === undefined ? undefined : () => runShell(option, command);

/** kill -9 of a process on this machine. */
export const killOf =
  (pid: number): Act =>
  async () =>
    void process.kill(pid, 'SIGKILL');
