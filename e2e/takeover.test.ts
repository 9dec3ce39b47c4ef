import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Bus } from '@sluice/bus';
import { checkTranscript, sha256, waitFor } from '@sluice/testkit';
import type { Child } from '@sluice/testkit';
import { keyOf, recordedClient, storedText } from './support/clients.ts';
import type { RecordedClient } from './support/clients.ts';
import { spawnWorker } from './support/processes.ts';
import { attachmentsOf } from './support/recording.ts';
import { startSystem } from './support/system.ts';
import type { System } from './support/system.ts';

const TOKENS = 800;
const ENGINE = { SLUICE_SIMULATED_TOKENS_PER_SECOND: '100', SLUICE_SIMULATED_TTFT_MS: '20' };

let system: System;
let bus: Bus;
let viewer: RecordedClient;
let workers: Child[];

beforeEach(async () => {
  system = await startSystem();
  bus = await system.bus();
  const edge = await system.addEdge();
  viewer = recordedClient(`ws://127.0.0.1:${edge.port}/v1/ws`);
  workers = [];
});
afterEach(async () => {
  await viewer.client.close();
  await Promise.all(workers.map((worker) => worker.kill()));
  await system.close();
});

const addWorker = async (name: string): Promise<Child> => {
  const worker = await spawnWorker(system.nats.url, { ...ENGINE, SLUICE_WORKER_NAME: name });
  workers.push(worker);
  return worker;
};

const start = () =>
  viewer.client
    .session('s')
    .prompt({ input: 'go', params: { simulated: { tokens: TOKENS, watermark: 'w' } } });

const expected = Array.from({ length: TOKENS }, (_, i) => `⟦w.${i + 1}⟧`).join('');

const ownerOf = async (id: string): Promise<string | undefined> => {
  const key = keyOf('s', id);
  const item = (await bus.sessions.item(key, key.generation))?.item;
  return item?.kind === 'generation' ? item.worker : undefined;
};

/** Longest time between two delta frames, ms. */
const longestGap = (): number => {
  const times = viewer.sockets.flatMap(({ received }) =>
    received.filter(({ frame }) => frame.type === 'delta').map(({ at }) => at),
  );
  return Math.max(...times.slice(1).map((at, index) => at - (times[index] ?? at)));
};

const expectWhole = async (id: string, text: string): Promise<void> => {
  expect(sha256(text)).toBe(sha256(expected));
  expect(sha256(await storedText(bus, keyOf('s', id)))).toBe(sha256(expected));
  expect(checkTranscript(id, attachmentsOf(viewer.sockets, id)).violations).toEqual([]);
};

test('kill -9 of a worker: another goes on from the same token within 5 s', async () => {
  const byName = new Map([
    ['w-a', await addWorker('w-a')],
    ['w-b', await addWorker('w-b')],
  ]);
  const generation = start();
  await waitFor(() => generation.position.seq >= 100, { what: 'a hundred tokens', timeoutMs: 10_000 });
  const owner = (await ownerOf(generation.id)) ?? '';
  await byName.get(owner)?.kill('SIGKILL');
  const text = await generation.done;
  await expectWhole(generation.id, text);
  expect(longestGap()).toBeLessThan(5_000);
  const key = keyOf('s', generation.id);
  const item = await waitFor(
    async () => {
      const found = (await bus.sessions.item(key, key.generation))?.item;
      return found?.kind === 'generation' && found.status === 'done' ? found : undefined;
    },
    { what: 'the item to be done' },
  );
  expect(item).toMatchObject({ attempt: 2, epoch: 0, crashes: 1, reason: 'stop' });
}, 40_000);

test('a worker stopped for a while is fenced: nothing it wrote late is seen', async () => {
  const byName = new Map([
    ['w-a', await addWorker('w-a')],
    ['w-b', await addWorker('w-b')],
  ]);
  const generation = start();
  await waitFor(() => generation.position.seq >= 100, { what: 'a hundred tokens', timeoutMs: 10_000 });
  const zombie = byName.get((await ownerOf(generation.id)) ?? '');
  await zombie?.pause();
  const before = generation.position.seq;
  await waitFor(() => generation.position.seq > before + 100, {
    what: 'the other worker',
    timeoutMs: 15_000,
  });
  zombie?.resume();
  const text = await generation.done;
  await expectWhole(generation.id, text);
}, 40_000);

test('a worker asked to stop hands its run over within a second, and nothing is lost', async () => {
  const first = await addWorker('w-a');
  const generation = start();
  await waitFor(() => generation.position.seq >= 100, { what: 'a hundred tokens', timeoutMs: 10_000 });
  await addWorker('w-b');
  await first.kill('SIGTERM');
  const text = await generation.done;
  await expectWhole(generation.id, text);
  expect(longestGap()).toBeLessThan(1_500);
}, 40_000);

test('the only worker dies and comes back under another name: its run goes on', async () => {
  const first = await addWorker('w-a');
  const generation = start();
  await waitFor(() => generation.position.seq >= 100, { what: 'a hundred tokens', timeoutMs: 10_000 });
  await first.kill('SIGKILL');
  await addWorker('w-b');
  await expectWhole(generation.id, await generation.done);
}, 60_000);
