import { fileVariable, readSecretFile } from '@sluice/runtime';
import { CliError } from './cli-error.ts';

/** Read by commands, or by the services that `sluice up` starts. */
const SECRETS = ['SLUICE_JWT_SECRET', 'SLUICE_TOKEN', 'SLUICE_UPSTREAM_KEY'];
/** What edges demand. */
const MIN_SECRET_CHARS = 32;

const read = (path: string, from: string): string => {
  try {
    return readSecretFile(path);
  } catch (error) {
    throw new CliError(`${from}: expected a file that can be read, got ${(error as Error).message}`);
  }
};

/** Puts what `<NAME>_FILE` names into `<NAME>`, as services read it. @throws CliError */
export const takeSecretFiles = (env: NodeJS.ProcessEnv): void => {
  for (const name of SECRETS) {
    const file = fileVariable(name);
    const path = env[file];
    if (path === undefined) continue;
    if (env[name] !== undefined) throw new CliError(`${file}: expected no ${name} beside it, got both`);
    env[name] = read(path, file);
    delete env[file];
  }
};

/** @param path from the command line; wins over the environment @throws CliError */
export const jwtSecretOf = (path: string | undefined): string | undefined => {
  const text = path === undefined ? process.env['SLUICE_JWT_SECRET'] : read(path, path);
  if (text === undefined) return undefined;
  const shortest = Math.min(...secretsIn(text).map(({ length }) => length));
  if (shortest >= MIN_SECRET_CHARS) return text;
  throw new CliError(
    `${path ?? 'SLUICE_JWT_SECRET'}: expected at least ${MIN_SECRET_CHARS} characters, got ${shortest}`,
  );
};

/** One per line, while one replaces another. */
export const secretsIn = (text: string): readonly string[] => text.trim().split(/\r?\n/);
/** The first is the one to sign with. */
export const newestOf = (text: string): string => secretsIn(text)[0] ?? '';
