/** Writes what the tarballs of a folder bring along, all of it, as CycloneDX: `sbom.ts <folder>` makes `sbom.cdx.json` there. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { manifestOf } from './manifest.ts';

const MAX_BYTES = 1 << 26;

const main = (out: string): void => {
  const tarballs = readdirSync(out)
    .filter((file) => file.endsWith('.tgz'))
    .map((file) => join(out, file));
  const scratch = mkdtempSync(join(tmpdir(), 'sluice-sbom-'));
  // npm names the bill after its folder.
  const folder = join(scratch, 'sluice');
  mkdirSync(folder);
  const npm = (...args: readonly string[]): string =>
    execFileSync('npm', [...args, '--package-lock-only', '--loglevel=error'], {
      cwd: folder,
      encoding: 'utf8',
      maxBuffer: MAX_BYTES,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  try {
    const { version } = manifestOf('services/cli');
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'sluice', version, private: true }));
    npm('install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', ...tarballs);
    const bill = npm('sbom', '--sbom-format', 'cyclonedx', '--sbom-type', 'application');
    writeFileSync(join(out, 'sbom.cdx.json'), bill);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
};

const [, , out] = process.argv;
if (out === undefined) throw new TypeError('expected the folder with the tarballs, got none');
main(resolve(out));
