#!/usr/bin/env node
/**
 * Plain JavaScript, so that it runs from a clean clone. Runs what `tsc -b` built if that is complete and up to date,
 * else the TypeScript sources: a build that is older than the sources would run code nobody sees any more.
 */
import { readdirSync, statSync } from 'node:fs';
import { register } from 'node:module';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../', import.meta.url));
/** What this program and the services it starts are made of. */
const PACKAGES = [
  ...['protocol', 'core', 'bus', 'client', 'runtime', 'simulator'].map((name) => `shared/${name}`),
  ...['cli', 'edge', 'worker'].map((name) => `services/${name}`),
];

/** @type {(path: string) => number | undefined} */
const modifiedAt = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs;

/** @type {(folder: string) => boolean} */
const isBuilt = (folder) => {
  const builtAt = modifiedAt(`${folder}/dist/.tsbuildinfo`) ?? modifiedAt(`${folder}/dist/index.js`);
  if (builtAt === undefined) return false;
  // An image may carry the build alone.
  if (modifiedAt(`${folder}/src`) === undefined) return true;
  return readdirSync(`${folder}/src`, { recursive: true, encoding: 'utf8' }).every(
    (name) => (modifiedAt(`${folder}/src/${name}`) ?? 0) <= builtAt,
  );
};

/** Makes `@sluice/*` mean the sources, which `--conditions=sluice-source` does for a new process. */
const SOURCE_CONDITION = `export const resolve = (specifier, context, next) =>
  next(specifier, { ...context, conditions: ['sluice-source', ...context.conditions] });`;

const runSources = async () => {
  const tsx = await import('tsx/esm/api');
  tsx.register();
  register(`data:text/javascript,${encodeURIComponent(SOURCE_CONDITION)}`);
  return import('../src/main.ts');
};

if (modifiedAt(`${root}node_modules`) === undefined) {
  process.stderr.write(`sluice: the dependencies are not installed; run \`npm ci\` in ${root}\n`);
  process.exit(1);
}
const isUpToDate = PACKAGES.every((name) => isBuilt(root + name));
const { main } = isUpToDate ? await import('../dist/main.js') : await runSources();
await main(process.argv);
