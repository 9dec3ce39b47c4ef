import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readyMessage, startChild, startNatsServer } from '@sluice/testkit';
import type { Child, NatsServer } from '@sluice/testkit';
import { EDGE_MAIN } from '../support/processes.ts';
import { SECRET } from '../support/system.ts';
import { tell } from './figures.ts';
import { openRawSocket } from './raw-socket.ts';
import type { RawSocket } from './raw-socket.ts';

/** Node’s loader alone opens some 200 files at once. */
const DESCRIPTORS = 400;

let nats: NatsServer;
let edge: Child;
let ready: Record<string, unknown>;
beforeAll(async () => {
  nats = await startNatsServer();
  const run = `ulimit -n ${DESCRIPTORS}; exec "$0" --conditions=sluice-source --import tsx "$1"`;
  edge = await startChild('/bin/sh', ['-c', run, process.execPath, EDGE_MAIN], {
    env: {
      ...{ NODE_OPTIONS: undefined, SLUICE_NATS_URL: nats.url, SLUICE_JWT_SECRET: SECRET },
      ...{ SLUICE_EDGE_PORT: '0', SLUICE_EDGE_ADMIN_PORT: '0' },
    },
  });
  ready = await readyMessage(edge, 30_000);
}, 60_000);
afterAll(async () => {
  await edge.kill('SIGTERM');
  await nats.stop();
}, 60_000);

test('an edge that strangers leave no descriptors says so, and its admin port answers', async () => {
  expect(edge.output()).toContain('descriptor_limit_low');
  const sockets: RawSocket[] = [];
  for (let i = 0; i < 2 * DESCRIPTORS; i += 1) sockets.push(await openRawSocket(String(ready['url'])));
  const [live, metrics] = await Promise.all(
    ['livez', 'metrics'].map((path) =>
      fetch(`${String(ready['admin'])}/${path}`, { signal: AbortSignal.timeout(5_000) }),
    ),
  );
  expect([live?.status, metrics?.status]).toEqual([200, 200]);
  const text = (await metrics?.text()) ?? '';
  const [strangers, used] = ['sluice_edge_strangers', 'process_open_fds'].map((name) =>
    Number(new RegExp(`^${name} (\\d+)`, 'm').exec(text)?.[1]),
  );
  tell('descriptors', { limit: DESCRIPTORS, used: used ?? 0, strangers: strangers ?? 0 });
  expect(strangers).toBeGreaterThan(20);
  expect(used).toBeLessThan(DESCRIPTORS);
  for (const socket of sockets) socket.destroy();
}, 60_000);
