/**
 * Runs what `tsc -b` built if that is complete and up to date, else the TypeScript sources: a build that is older than
 * the sources would run code nobody sees any more.
 */
import { readdirSync, statSync } from 'node:fs';
import { register } from 'node:module';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../', import.meta.url));
/** What this program and the services it starts are made of. */
const PACKAGES = [
  ...['protocol', 'core', 'bus', 'lifecycle', 'client', 'runtime', 'simulator'].map(
    (name) => `shared/${name}`,
  ),
  ...['cli', 'edge', 'worker'].map((name) => `services/${name}`),
];

/** @type {(path: string) => number | undefined} */
const modifiedAt = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs;

/** @type {(folder: string) => boolean} */
const isBuilt = (folder) => {
  const builtAt = modifiedAt(`${folder}/dist/.tsbuildinfo`);
  return (
    builtAt !== undefined &&
    readdirSync(`${folder}/src`, { recursive: true, encoding: 'utf8' }).every(
      (name) => (modifiedAt(`${folder}/src/${name}`) ?? 0) <= builtAt,
    )
  );
};

/** Makes `@sluice/*` mean the sources, which `--conditions=sluice-source` does for a new process. */
const SOURCE_CONDITION = `export const resolve = (specifier, context, next) =>
  next(specifier, { ...context, conditions: ['sluice-source', ...context.conditions] });`;

const loadSources = async () => {
  const tsx = await import('tsx/esm/api');
  tsx.register();
  register(`data:text/javascript,${encodeURIComponent(SOURCE_CONDITION)}`);
  return import('../src/main.ts');
};

/** @returns the module with `main` */
export const load = () => {
  if (modifiedAt(`${root}node_modules`) === undefined) {
    process.stderr.write(`sluice: the dependencies are not installed; run \`npm ci\` in ${root}\n`);
    process.exit(1);
  }
  return PACKAGES.every((name) => isBuilt(root + name)) ? import('../dist/main.js') : loadSources();
};
