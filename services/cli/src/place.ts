import { fileURLToPath } from 'node:url';

/** The repository's root, the same from `src` and from `dist`. */
export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

const RUNS_FROM_SOURCES = import.meta.url.endsWith('.ts');

/** Node's arguments that run a service's `main` the way this program itself runs: sources or build. */
export const nodeArgumentsOf = (service: 'edge' | 'worker'): readonly string[] =>
  RUNS_FROM_SOURCES
    ? [
        '--conditions=sluice-source',
        '--import',
        import.meta.resolve('tsx'),
        `${ROOT}services/${service}/src/main.ts`,
      ]
    : [`${ROOT}services/${service}/dist/main.js`];
