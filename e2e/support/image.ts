import { execFile, spawnSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startChild } from '@sluice/testkit';
import type { Child } from '@sluice/testkit';

const ROOT = join(import.meta.dirname, '../..');
const SANDBOX = join(import.meta.dirname, 'sandbox.sh');

type Variables = Readonly<Record<string, string>>;

/** What the image holds, made by the very steps of its Dockerfile. */
export type Image = {
  /** what is /app in a container */
  readonly folder: string;
  /** Runs node with these arguments as a container would; nothing of this process's environment gets in. */
  run(args: readonly string[], env?: Variables): Promise<Child>;
  remove(): Promise<void>;
};

/** Why no container can be played here; undefined where one can. */
export const sandboxMissing = (): string | undefined => {
  if (process.getuid?.() !== 0) return 'root is needed to mount a read-only root';
  const tried = spawnSync('unshare', [
    '--mount',
    'sh',
    '-c',
    'mount -t tmpfs none /mnt && setpriv --version',
  ]);
  return tried.status === 0 ? undefined : 'no namespace of mounts, or no setpriv, on this machine';
};

/** Where the services of a container are told to listen: a test may only use this machine. */
const LOOPBACK: Variables = {
  SLUICE_EDGE_HOST: '127.0.0.1',
  SLUICE_EDGE_PORT: '0',
  SLUICE_EDGE_ADMIN_HOST: '127.0.0.1',
  SLUICE_EDGE_WEB_DIR: '/app/web',
  SLUICE_WORKER_ADMIN_HOST: '127.0.0.1',
};

export const buildImage = async (): Promise<Image> => {
  const base = await mkdtemp(join(tmpdir(), 'sluice-image-'));
  const [built, folder, root] = [join(base, 'built'), join(base, 'app'), join(base, 'root')];
  await promisify(execFile)(process.execPath, [join(ROOT, 'deploy/image/build.mjs'), built], { cwd: ROOT });
  // As COPY does: nobody must be able to read it whatever the umask of the builder was.
  await cp(built, folder, { recursive: true });
  await promisify(execFile)('chmod', ['-R', 'u=rwX,go=rX', folder]);
  await mkdir(root);
  return {
    folder,
    run: (args, env = {}) => {
      const variables = { ...LOOPBACK, ...env, SANDBOX_NODE: process.execPath };
      const settings = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
      const path = `PATH=${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;
      // Each step becomes the next one, so that signals reach the service itself.
      const steps = ['-i', path, ...settings, 'unshare', '--mount', SANDBOX, folder, root];
      return startChild('env', [...steps, ...args]);
    },
    remove: () => rm(base, { recursive: true, force: true }),
  };
};
