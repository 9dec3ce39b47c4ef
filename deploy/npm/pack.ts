/**
 * Packs what others install: `pack.ts <folder>` puts one tarball per package there. Each is staged first, since a
 * package is not a folder of this repository: it has no sources, the SDK is a bundle, the edge has the web pages, and
 * the command line has the files of NATS.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { bundleClient, bundledManifest } from './client-bundle.ts';
import { manifestOf } from './manifest.ts';
import { PACKAGES, ROOT } from './packages.ts';
import type { Package } from './packages.ts';

/** What a package has from elsewhere in the repository. */
const EXTRAS: Readonly<Partial<Record<Package, readonly (readonly [from: string, to: string])[]>>> = {
  'services/edge': [['services/web/dist', 'web']],
  'services/cli': [
    ['deploy/nats/provision.sh', 'nats/provision.sh'],
    ['deploy/nats/debian.sh', 'nats/debian.sh'],
    ['deploy/nats/SHA256SUMS', 'nats/SHA256SUMS'],
    ['deploy/nats/single.conf', 'nats/single.conf'],
  ],
};

const run = (command: string, args: readonly string[]): void => {
  execFileSync(command, args, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
};

/** `tsc` leaves the output of a source that is gone where it is: that is not shipped. */
const isOfToday =
  (folder: Package) =>
  (path: string): boolean => {
    const name = path.slice(join(ROOT, folder, 'dist').length);
    if (name.endsWith('.tsbuildinfo')) return false;
    const source = name.replace(/(\.d\.ts|\.js|\.js\.map)$/, '.ts');
    return source === name || existsSync(join(ROOT, folder, `src${source}`));
  };

/** @param target folder of the package as it will be installed */
const stage = async (folder: Package, target: string): Promise<void> => {
  const manifest = manifestOf(folder);
  mkdirSync(target, { recursive: true });
  const isClient = folder === 'shared/client';
  if (isClient) await bundleClient(join(target, 'dist'));
  else
    cpSync(join(ROOT, folder, 'dist'), join(target, 'dist'), { recursive: true, filter: isOfToday(folder) });
  for (const path of Object.values(manifest.bin ?? {}))
    cpSync(join(ROOT, folder, path), join(target, path), { recursive: true });
  cpSync(join(ROOT, folder, 'README.md'), join(target, 'README.md'));
  cpSync(join(ROOT, 'LICENSE'), join(target, 'LICENSE'));
  for (const [from, to] of EXTRAS[folder] ?? [])
    cpSync(join(ROOT, from), join(target, to), { recursive: true });
  const published = isClient ? bundledManifest(manifest) : manifest;
  writeFileSync(join(target, 'package.json'), `${JSON.stringify(published, null, 2)}\n`);
};

const main = async (out: string): Promise<void> => {
  run('npm', ['run', '--silent', 'build']);
  run('npm', ['run', '--silent', '--workspace', '@sluice/web', 'build', '--', '--logLevel', 'warn']);
  mkdirSync(out, { recursive: true });
  // Not in the repository, where tools would find each package twice.
  const folder = mkdtempSync(join(tmpdir(), 'sluice-pack-'));
  try {
    const targets = PACKAGES.map((name) => join(folder, basename(name)));
    for (const [index, name] of PACKAGES.entries()) await stage(name, targets[index] ?? '');
    run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', out, ...targets]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

const [, , out] = process.argv;
if (out === undefined) throw new TypeError('expected the folder to put the tarballs into, got none');
await main(resolve(out));
