/**
 * Makes the folder that the image runs: `node deploy/image/build.mjs FOLDER`. The Dockerfile calls this, and so does
 * e2e/image.test.ts. Needs what `npm ci` installs, and leaves nothing of it in the folder: each program is one file.
 */
import { mkdir, readFile, rm, cp, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { build as buildPages } from 'vite';
import { billOfMaterials, bundledPackages, licenceTexts } from './contents.mjs';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** The paths are those of the repository, since the command line finds the services beside itself. */
const PROGRAMS = {
  'services/edge/dist/main': 'services/edge/src/main.ts',
  'services/worker/dist/main': 'services/worker/src/main.ts',
  'services/cli/dist/main': 'services/cli/src/main.ts',
};

/** CommonJS packages ask for Node's own modules by `require`, which a module does not have. The name is nobody else's. */
const BANNER = `import { createRequire as requireOfBundle } from 'node:module'; const require = requireOfBundle(import.meta.url);`;

const bundlePrograms = async (folder) => {
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: PROGRAMS,
    outdir: folder,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    conditions: ['sluice-source'],
    banner: { js: BANNER },
    // Runs sources, of which the image has none.
    external: ['tsx'],
    metafile: true,
    logLevel: 'error',
    logOverride: { 'require-resolve-not-external': 'silent' },
  });
  return metafile;
};

const main = async () => {
  const [target] = process.argv.slice(2);
  if (target === undefined)
    throw new Error('expected the folder to make: node deploy/image/build.mjs FOLDER');
  const folder = resolve(target);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const metafile = await bundlePrograms(folder);
  const { output } = await buildPages({
    root: join(ROOT, 'services/web'),
    logLevel: 'warn',
    build: { outDir: join(folder, 'web'), emptyOutDir: true },
  });
  const pageModules = output.flatMap(({ moduleIds = [] }) => moduleIds);
  const { version, license } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
  const packages = await bundledPackages(ROOT, [...Object.keys(metafile.inputs), ...pageModules]);
  await writeFile(join(folder, 'sbom.cdx.json'), billOfMaterials({ version, license }, packages));
  await writeFile(join(folder, 'THIRD-PARTY-LICENSES.txt'), await licenceTexts(packages));
  await cp(join(ROOT, 'services/cli/package.json'), join(folder, 'services/cli/package.json'));
  await cp(join(ROOT, 'LICENSE'), join(folder, 'LICENSE'));
  await cp(join(ROOT, 'deploy/image/sluice.mjs'), join(folder, 'sluice.mjs'));
};

await main();
