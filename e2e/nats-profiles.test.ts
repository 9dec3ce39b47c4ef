/** The shipped configurations of NATS flush to disk as docs/OPERATIONS.md says of each profile. */
import { afterEach, describe, expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createNatsBus } from '@sluice/bus';
import { ChunkWriter } from '@sluice/core';
import { freePort, natsServerBinary, startChild, waitFor } from '@sluice/testkit';
import type { Child } from '@sluice/testkit';
import { keyOf } from './support/clients.ts';

const ROOT = join(import.meta.dirname, '..');
const RECORDS = 30;

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

type Started = {
  readonly child: Child;
  readonly url: string;
  readonly monitor: string;
  readonly folder: string;
};

const startWith = async (conf: string, env = {}, under: readonly string[] = []): Promise<Started> => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-profile-'));
  closers.push(() => rm(folder, { recursive: true, force: true }));
  const [port, monitorPort, routePort] = [await freePort(), await freePort(), await freePort()];
  const route = `nats://route:pw@127.0.0.1:${routePort}`;
  const [command = '', ...args] = [
    ...under.map((word) => word.replace('%', folder)),
    await natsServerBinary(),
    ...['-c', join(ROOT, 'deploy/nats', conf), '-a', '127.0.0.1', '-p', `${port}`, '-m', `${monitorPort}`],
    ...(conf === 'cluster.conf' ? ['--cluster', route] : []),
  ];
  const secrets = { NATS_EDGE_PASSWORD: 'e', NATS_WORKER_PASSWORD: 'w', NATS_ADMIN_PASSWORD: 'a' };
  const cluster = { NATS_NAME: 'n1', NATS_ADDRESS: '127.0.0.1', NATS_CLUSTER_PASSWORD: 'pw' };
  const child = await startChild(command, args, {
    env: { ...secrets, ...cluster, NATS_ROUTES: `["${route}"]`, NATS_STORE: folder, ...env },
  });
  closers.push(() => child.kill());
  return {
    ...{ child, folder },
    url: `nats://127.0.0.1:${port}`,
    monitor: `http://127.0.0.1:${monitorPort}`,
  };
};

/** What the server itself says it does. */
const syncOf = ({ monitor }: Started): Promise<unknown> =>
  waitFor(
    async () => {
      const { config } = (await (await fetch(`${monitor}/jsz`)).json()) as { config?: object };
      const { sync_interval: interval, sync_always: always } = { ...config } as Record<string, unknown>;
      return { interval, always };
    },
    { what: 'its monitoring port', timeoutMs: 20_000 },
  );

test('single.conf waits for the disk with every write, cluster.conf flushes every two minutes', async () => {
  expect(await syncOf(await startWith('single.conf'))).toMatchObject({ always: true });
  const cluster = await syncOf(await startWith('cluster.conf'));
  expect(cluster).toEqual({ interval: 2 * 60 * 1e9, always: undefined });
}, 60_000);

/** Whether one process may watch another here; containers often forbid it. */
const canTrace =
  spawnSync('strace', ['-D', '-qq', '-e', 'trace=none', process.execPath, '--version']).status === 0;

describe('on a machine where strace works', () => {
  (canTrace ? test : test.skip)(
    'single.conf: an fsync for each record that was acknowledged',
    async () => {
      // -D: what is started and ended is the server, strace a process beside it.
      const trace = ['strace', '-D', '-f', '-qq', '-e', 'trace=fsync,fdatasync', '-o', '%/trace.txt'];
      const server = await startWith('single.conf', {}, trace);
      const bus = await createNatsBus({ url: server.url, name: 'profiles' });
      closers.push(() => bus.close());
      const syncs = async (): Promise<number> =>
        (await readFile(join(server.folder, 'trace.txt'), 'utf8'))
          .split('\n')
          .filter((line) => /sync\(/.test(line)).length;
      const before = await syncs();
      const writer = new ChunkWriter(1);
      for (let n = 0; n < RECORDS; n += 1) {
        const outcome = await bus.tokens.append(keyOf('s', 'g'), writer.draft(['x'], 1).draft);
        if (outcome.type !== 'stored') throw new Error(`expected stored, got ${outcome.type}`);
        writer.stored(outcome.sequence);
      }
      expect((await syncs()) - before).toBeGreaterThanOrEqual(RECORDS);
    },
    60_000,
  );
});
