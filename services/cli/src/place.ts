import { fileURLToPath } from 'node:url';

/** The repository's root, the same from `src` and from `dist`. */
export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

const RUNS_FROM_SOURCES = import.meta.url.endsWith('.ts');

/** Each program's folder of sources or build, and its path in there without an extension. */
const PROGRAMS = {
  edge: ['services/edge', 'main'],
  worker: ['services/worker', 'main'],
  'demo-worker': ['services/cli', 'demo-worker/main'],
} as const;

/** Node's arguments that run a program the way this one runs: sources or build. */
export const nodeArgumentsOf = (program: keyof typeof PROGRAMS): readonly string[] => {
  const [folder, main] = PROGRAMS[program];
  return RUNS_FROM_SOURCES
    ? [
        '--conditions=sluice-source',
        '--import',
        import.meta.resolve('tsx'),
        `${ROOT}${folder}/src/${main}.ts`,
      ]
    : [`${ROOT}${folder}/dist/${main}.js`];
};
