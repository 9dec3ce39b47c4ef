import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** This package's folder, the same from `src` and from `dist`. */
export const PACKAGE = fileURLToPath(new URL('../', import.meta.url));

const RUNS_FROM_SOURCES = import.meta.url.endsWith('.ts');

/** Each program's package, and its path in the package's sources or build without an extension. */
const PROGRAMS = {
  edge: ['@sluice/edge', 'main'],
  worker: ['@sluice/worker', 'main'],
  'demo-worker': ['@sluice/cli', 'demo-worker/main'],
} as const;

/** The package's folder, wherever npm has put it. */
const folderOf = (name: string): string =>
  dirname(createRequire(import.meta.url).resolve(`${name}/package.json`));

/** Node's arguments that run a program the way this one runs: sources or build. */
export const nodeArgumentsOf = (program: keyof typeof PROGRAMS): readonly string[] => {
  const [name, main] = PROGRAMS[program];
  const folder = folderOf(name);
  return RUNS_FROM_SOURCES
    ? [
        '--conditions=sluice-source',
        '--import',
        import.meta.resolve('tsx'),
        join(folder, 'src', `${main}.ts`),
      ]
    : [join(folder, 'dist', `${main}.js`)];
};

/** The first that is there: a package carries what the repository has elsewhere. */
const firstOf = (folders: readonly string[], file: string): string | undefined =>
  folders.find((folder) => existsSync(join(folder, file)));

/** Where `single.conf` and `provision.sh` are. */
export const natsFolder = (): string => {
  const folders = [join(PACKAGE, 'nats'), join(PACKAGE, '../../deploy/nats')] as const;
  return firstOf(folders, 'provision.sh') ?? folders[0];
};

/** The built web pages; undefined: they are not built. */
export const webFolder = (): string | undefined => {
  const edge = folderOf('@sluice/edge');
  return firstOf([join(edge, 'web'), join(edge, '../web/dist')], 'index.html');
};
