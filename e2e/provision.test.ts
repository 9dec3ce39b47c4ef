import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Runs deploy/nats/provision.sh in made-up machines: a PATH that holds links to plain tools and whatever
 * stubs a test adds, an empty cache, no network. So curl, apt, go and brew exist only where a test says so.
 */
const NATS = join(import.meta.dirname, '../deploy/nats');
const pinned = '2.15.1';
const plainTools =
  'awk basename cat chmod cp cut dirname env grep gzip head id mkdir mktemp mv rm sed sha256sum shasum sleep sort tail tar tr uname';

type Outcome = { readonly code: number; readonly stdout: string; readonly stderr: string };

let root: string;
let script: string;
let bin: string;
let cache: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'sluice-provision-test-'));
  bin = join(root, 'bin');
  cache = join(root, 'cache');
  await mkdir(bin);
  await mkdir(join(root, 'tmp'));
  // A copy, so that a test can pin the archive that it made.
  script = join(root, 'provision.sh');
  for (const name of ['provision.sh', 'debian.sh', 'SHA256SUMS'])
    await copyFile(join(NATS, name), join(root, name));
  await Promise.all(plainTools.split(' ').map(linkTool));
});

afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

async function linkTool(name: string): Promise<void> {
  const found = ['/usr/bin', '/bin'].map((folder) => join(folder, name)).find((path) => existsSync(path));
  if (found !== undefined) await symlink(found, join(bin, name));
}

function provision(env: Record<string, string> = {}, ...args: readonly string[]): Promise<Outcome> {
  const clean = { PATH: bin, HOME: root, XDG_CACHE_HOME: cache, TMPDIR: join(root, 'tmp') };
  return new Promise((resolve) => {
    execFile('/bin/sh', [script, ...args], { env: { ...clean, ...env } }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

async function stub(path: string, body: string): Promise<string> {
  await writeFile(path, `#!/bin/sh\n${body}\n`);
  await chmod(path, 0o755);
  return path;
}

const server = (path: string, version: string): Promise<string> =>
  stub(path, `echo "nats-server: v${version}"`);

async function cached(version: string): Promise<string> {
  await mkdir(join(cache, 'sluice'), { recursive: true });
  return server(join(cache, 'sluice', `nats-server-${version}`), version);
}

/** A machine whose curl serves a release; `checksum` is pinned in place of the true sum of the archive. */
async function release(version: string, checksum?: string): Promise<void> {
  const folder = `nats-server-v${pinned}-linux-amd64`;
  const archive = join(root, `${folder}.tar.gz`);
  await mkdir(join(root, folder));
  await server(join(root, folder, 'nats-server'), version);
  await new Promise<void>((resolve, reject) => {
    execFile('tar', ['-czf', archive, '-C', root, folder], (error) => (error ? reject(error) : resolve()));
  });
  const sum =
    checksum ??
    createHash('sha256')
      .update(await readFile(archive))
      .digest('hex');
  await writeFile(join(root, 'SHA256SUMS'), `${'0'.repeat(64)}  other.tar.gz\n${sum}  ${folder}.tar.gz\n`);
  await stub(join(bin, 'uname'), 'case $1 in -s) echo Linux ;; *) echo x86_64 ;; esac');
  const serve = `while [ $# -gt 1 ]; do [ "$1" = -o ] && out=$2; shift; done; exec cp "${root}/\${1##*/}" "$out"`;
  await stub(join(bin, 'curl'), serve);
}

/** Nothing may be left behind but finished servers. */
async function leftovers(): Promise<string[]> {
  const kept = existsSync(join(cache, 'sluice')) ? await readdir(join(cache, 'sluice')) : [];
  return [
    ...(await readdir(join(root, 'tmp'))),
    ...kept.filter((name) => !/^nats-server-[\d.]+$/.test(name)),
  ];
}

describe('an explicit SLUICE_NATS_SERVER', () => {
  test('wins over the cache and PATH', async () => {
    await cached(pinned);
    const chosen = await server(join(root, 'mine'), '2.16.0');
    expect(await provision({ SLUICE_NATS_SERVER: chosen })).toEqual({
      code: 0,
      stdout: `${chosen}\n`,
      stderr: '',
    });
  });

  test('is an error when it is too old, although a good one is cached', async () => {
    await cached(pinned);
    const old = await server(join(root, 'old'), '2.11.9');
    const outcome = await provision({ SLUICE_NATS_SERVER: old });
    expect(outcome).toMatchObject({ code: 1, stdout: '' });
    expect(outcome.stderr).toContain(`SLUICE_NATS_SERVER=${old} is 2.11.9; Sluice needs 2.14.5 or newer`);
  });

  test('is an error when it is missing or is no nats-server', async () => {
    const missing = await provision({ SLUICE_NATS_SERVER: join(root, 'missing') });
    expect(missing).toMatchObject({ code: 1, stdout: '' });
    expect(missing.stderr).toContain('is not an executable file');

    const other = await provision({ SLUICE_NATS_SERVER: await stub(join(root, 'other'), 'echo hello') });
    expect(other).toMatchObject({ code: 1, stdout: '' });
    expect(other.stderr).toContain('does not answer --version like a nats-server');
  });
});

describe('the server on PATH', () => {
  test.each(['2.14.5', '2.14.10', '2.15.0', '3.0.0'])(
    'is used when it is new enough: %s',
    async (version) => {
      const path = await server(join(bin, 'nats-server'), version);
      expect(await provision()).toEqual({ code: 0, stdout: `${path}\n`, stderr: '' });
    },
  );

  test.each(['2.14.4', '2.9.10', '1.99.99'])('is skipped when it is too old: %s', async (version) => {
    const path = await server(join(bin, 'nats-server'), version);
    const outcome = await provision();
    expect(outcome).toMatchObject({ code: 1, stdout: '' });
    expect(outcome.stderr).toContain(`skipping ${path}: ${version}, need 2.14.5 or newer`);
  });
});

describe('the cache', () => {
  test('is used before PATH, silently', async () => {
    const path = await cached(pinned);
    await server(join(bin, 'nats-server'), '2.16.0');
    expect(await provision()).toEqual({ code: 0, stdout: `${path}\n`, stderr: '' });
  });

  test('is passed over when the file does not run here', async () => {
    await mkdir(join(cache, 'sluice'), { recursive: true });
    await stub(join(cache, 'sluice', `nats-server-${pinned}`), 'exit 126');
    const path = await server(join(bin, 'nats-server'), pinned);
    expect(await provision()).toEqual({ code: 0, stdout: `${path}\n`, stderr: '' });
  });
});

describe('the official release', () => {
  test('is fetched, checked, cached, and not fetched twice', async () => {
    await release(pinned);
    const path = join(cache, 'sluice', `nats-server-${pinned}`);
    expect(await provision()).toMatchObject({ code: 0, stdout: `${path}\n` });
    expect(await leftovers()).toEqual([]);

    await rm(join(bin, 'curl'));
    expect(await provision()).toEqual({ code: 0, stdout: `${path}\n`, stderr: '' });
  });

  test('is refused when the archive does not match its checksum', async () => {
    await release(pinned, 'f'.repeat(64));
    const outcome = await provision();
    expect(outcome).toMatchObject({ code: 1, stdout: '' });
    expect(outcome.stderr).toContain('REFUSED: checksum of nats-server-v2.15.1-linux-amd64.tar.gz');
    expect(existsSync(join(cache, 'sluice'))).toBe(false);
    expect(await leftovers()).toEqual([]);
  });

  test('is not fetched for a platform without a pinned checksum', async () => {
    await release(pinned);
    await writeFile(
      join(root, 'SHA256SUMS'),
      `${'0'.repeat(64)}  nats-server-v${pinned}-linux-arm64.tar.gz\n`,
    );
    const outcome = await provision();
    expect(outcome).toMatchObject({ code: 1, stdout: '' });
    expect(outcome.stderr).not.toContain('downloading');
  });

  test('has pins that can be compared with what it publishes', async () => {
    await release(pinned);
    const pins = join(root, 'SHA256SUMS');
    const published = join(root, 'published');
    await copyFile(pins, published);
    await stub(
      join(bin, 'curl'),
      `while [ $# -gt 1 ]; do [ "$1" = -o ] && out=$2; shift; done; exec cp "${published}" "$out"`,
    );
    await writeFile(pins, (await readFile(pins, 'utf8')).split('\n').slice(1).join('\n'));
    expect(await provision({}, '--verify-pins')).toMatchObject({ code: 0, stdout: '' });
    await writeFile(pins, `${'0'.repeat(64)}  nats-server-v${pinned}-linux-amd64.tar.gz\n`);
    const outcome = await provision({}, '--verify-pins');
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain(`WRONG  nats-server-v${pinned}-linux-amd64.tar.gz: pinned is 0000`);
    expect(await leftovers()).toEqual([]);
  });

  test.each(['linux-amd64', 'linux-arm64', 'linux-arm7', 'linux-arm6', 'darwin-arm64', 'darwin-amd64'])(
    'is pinned for %s',
    async (platform) => {
      const pins = (await readFile(join(NATS, 'SHA256SUMS'), 'utf8')).trim().split('\n');
      const line = new RegExp(`^[0-9a-f]{64}  nats-server-v2\\.1[45]\\.\\d+-${platform}\\.tar\\.gz$`);
      expect(pins.filter((pin) => line.test(pin))).toHaveLength(1);
    },
  );

  test('may be fetched by parallel calls: all print one whole, working file', async () => {
    await release(pinned);
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => provision()));
    const path = join(cache, 'sluice', `nats-server-${pinned}`);
    for (const outcome of outcomes) expect(outcome).toMatchObject({ code: 0, stdout: `${path}\n` });
    expect(await leftovers()).toEqual([]);
    expect(await readdir(join(cache, 'sluice'))).toEqual([`nats-server-${pinned}`]);
  });
});

describe('the other sources', () => {
  test('Go builds the pinned version when the release cannot be reached', async () => {
    await stub(join(bin, 'curl'), 'exit 7');
    const build = `[ "$1 $2" = "install github.com/nats-io/nats-server/v2@v${pinned}" ] || exit 1
printf '#!/bin/sh\\necho nats-server: v${pinned}\\n' >"$GOBIN/nats-server"; chmod +x "$GOBIN/nats-server"`;
    await stub(join(bin, 'go'), build);
    const outcome = await provision();
    expect(outcome).toMatchObject({ code: 0, stdout: `${join(cache, 'sluice', `nats-server-${pinned}`)}\n` });
    expect(outcome.stderr).toContain('github.com is not reachable');
  });

  test('a Homebrew install outside PATH is found', async () => {
    await mkdir(join(root, 'brew/bin'), { recursive: true });
    const path = await server(join(root, 'brew/bin/nats-server'), pinned);
    await stub(join(bin, 'brew'), `echo "${join(root, 'brew')}"`);
    expect(await provision()).toMatchObject({ code: 0, stdout: `${path}\n` });
  });

  test('without any source it fails and names the three ways', async () => {
    const outcome = await provision();
    expect(outcome).toMatchObject({ code: 1, stdout: '' });
    expect(outcome.stderr).toContain(`https://github.com/nats-io/nats-server/releases/tag/v${pinned}`);
    expect(outcome.stderr).toContain('brew install nats-server');
    expect(outcome.stderr).toContain(`go install github.com/nats-io/nats-server/v2@v${pinned}`);
    expect(await leftovers()).toEqual([]);
  });
});
