/**
 * Publishes the tarballs of a folder, each after those that it depends on, with a statement of where they were built:
 * `publish.ts <folder>`. What an earlier try has published already is left out.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { basename, join, resolve } from 'node:path';
import { manifestOf } from './manifest.ts';
import { PACKAGES } from './packages.ts';

const isPublished = (name: string, version: string): boolean =>
  spawnSync('npm', ['view', `${name}@${version}`, 'version'], { encoding: 'utf8' }).stdout.trim() === version;

const [, , out] = process.argv;
if (out === undefined) throw new TypeError('expected the folder with the tarballs, got none');
for (const folder of PACKAGES) {
  const { name, version } = manifestOf(folder);
  if (isPublished(name, version)) continue;
  const tarball = join(resolve(out), `sluice-${basename(folder)}-${version}.tgz`);
  execFileSync('npm', ['publish', tarball, '--provenance', '--access', 'public'], { stdio: 'inherit' });
}
