import { chmodSync, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { CliError } from '../cli-error.ts';

/** What people say to a model is for nobody else on this machine. */
const OURS = 0o700;

// Not Node's `recursive`: where a folder is there but none can be made in it, as in /proc, that tries for ever.
const make = (path: string): void => {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return;
  make(dirname(path));
  mkdirSync(path, { mode: OURS });
};

/** Makes a folder, with those it is in, if it is not there; only this user may open it. @throws CliError when it cannot */
export const makeFolder = (path: string): void => {
  try {
    make(path);
    chmodSync(path, OURS);
  } catch (error) {
    throw new CliError(
      `--data: expected a folder that can be written to, got ${path} (${(error as Error).message})`,
    );
  }
};
