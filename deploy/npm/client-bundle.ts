import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { build } from 'esbuild';
import type { BuildOptions } from 'esbuild';
import type { Manifest } from './manifest.ts';
import { ROOT } from './packages.ts';

const CLIENT = join(ROOT, 'shared/client');
const ENTRIES = ['index', 'ai-sdk', 'fallback', 'node-platform', 'browser-platform'];
/** Its types are copied beside the SDK's own. */
const PROTOCOL = '@sluice/protocol';
const SCRIPT = 'script.js';

const COMMON: BuildOptions = {
  bundle: true,
  conditions: ['sluice-source'],
  target: 'es2022',
  logLevel: 'warning',
};

/** The SDK with what it uses of core and protocol in it, so that a page installs one package. */
export const bundleClient = async (dist: string): Promise<void> => {
  await build({
    ...COMMON,
    entryPoints: ENTRIES.map((name) => join(CLIENT, 'src', `${name}.ts`)),
    outdir: dist,
    format: 'esm',
    platform: 'neutral',
    splitting: true,
    sourcemap: true,
    // The manifest's `imports` choose at the user's side.
    external: ['#platform', 'ws'],
  });
  await build({
    ...COMMON,
    entryPoints: [join(CLIENT, 'src/index.ts')],
    outfile: join(dist, SCRIPT),
    format: 'iife',
    globalName: 'Sluice',
    platform: 'browser',
    minify: true,
  });
  copyTypes(dist);
};

const IMPORT = /(from |import\()(['"])(\.[^'"]*|@sluice\/[^'"]*)\2/g;

/** Declarations that the entries reach, with the protocol's among them under their folder's name. */
const copyTypes = (dist: string): void => {
  const seen = new Set<string>();
  const sources = { client: join(CLIENT, 'dist'), protocol: join(ROOT, 'shared/protocol/dist') };
  const targetOf = (file: string): string =>
    file.startsWith(sources.protocol)
      ? join(dist, 'protocol', relative(sources.protocol, file))
      : join(dist, relative(sources.client, file));
  const copy = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    const target = targetOf(file);
    const text = readFileSync(file, 'utf8').replaceAll(
      IMPORT,
      (_all, before: string, quote: string, module: string) => {
        if (module.startsWith('@sluice/') && module !== PROTOCOL)
          throw new TypeError(`${file}: expected types of ${PROTOCOL} only, got ${module}`);
        const imported =
          module === PROTOCOL
            ? join(sources.protocol, 'index.d.ts')
            : join(dirname(file), module.replace(/\.[jt]s$/, '.d.ts'));
        copy(imported);
        const path = relative(dirname(target), targetOf(imported)).replace(/\.d\.ts$/, '.js');
        return `${before}${quote}${path.startsWith('.') ? path : `./${path}`}${quote}`;
      },
    );
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text);
  };
  for (const name of ENTRIES.slice(0, 3)) copy(join(sources.client, `${name}.d.ts`));
};

/** What a bundle needs beside it: nothing of ours. */
export const bundledManifest = ({ dependencies: _ours, exports, ...manifest }: Manifest): object => ({
  ...manifest,
  unpkg: `./dist/${SCRIPT}`,
  jsdelivr: `./dist/${SCRIPT}`,
  exports: { ...(exports as object), './script': `./dist/${SCRIPT}` },
});
