import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Bus } from '@sluice/bus';
import type { Generation } from '@sluice/client';
import type { StoredGeneration } from '@sluice/core';
import { textOf } from '@sluice/protocol';
import { checkTranscript, readyMessage, sha256, spawnNode, waitFor } from '@sluice/testkit';
import type { Child } from '@sluice/testkit';
import { SimulatedEngine, tokensOf } from '@sluice/simulator';
import { OpenAiEngine } from '@sluice/worker';
import { keyOf, recordedClient, storedText } from './support/clients.ts';
import type { RecordedClient } from './support/clients.ts';
import { attachmentsOf } from './support/recording.ts';
import { startSystem } from './support/system.ts';
import type { System } from './support/system.ts';

const MODEL_SERVER = fileURLToPath(new URL('../shared/simulator/src/mock/mock-main.ts', import.meta.url));
const TOKENS = 600;
const TOKENS_PER_SECOND = 60;
const KILLS = 4;

/** What runs the model: a server in a process of its own. */
type ModelServer = { child: Child; readonly port: number };

let system: System;
let bus: Bus;
let viewer: RecordedClient;
let servers: ModelServer[];

const spawnServer = async (port = 0): Promise<ModelServer> => {
  const answers = {
    MOCK_TOKENS: `${TOKENS}`,
    MOCK_TOKENS_PER_SECOND: `${TOKENS_PER_SECOND}`,
    MOCK_TTFT_MS: '50',
  };
  const child = await spawnNode(MODEL_SERVER, ['--quirks', 'vllm', '--port', `${port}`], { env: answers });
  return { child, port: Number((await readyMessage(child))['port']) };
};

/** A worker and its model server. Worker `w<n>` has the server of index n. */
const addWorker = async (): Promise<void> => {
  const server = await spawnServer();
  const engine = new OpenAiEngine({ upstream: `http://127.0.0.1:${server.port}/v1`, profile: 'vllm' });
  await system.addWorker(engine, { name: `w${servers.push(server) - 1}` });
};

beforeEach(async () => {
  system = await startSystem();
  bus = await system.bus();
  servers = [];
  const edge = await system.addEdge();
  viewer = recordedClient(`ws://127.0.0.1:${edge.port}/v1/ws`);
});
afterEach(async () => {
  await viewer.client.close();
  await system.close();
  await Promise.all(servers.map(({ child }) => child.kill()));
});

const start = (session = 's'): Generation => viewer.client.session(session).prompt('go');

/** What a model server says that nobody kills. */
const wholeText = (): string => {
  const model = new SimulatedEngine({ tokens: TOKENS });
  return tokensOf(model.script({ messages: [{ role: 'user', content: 'go' }], params: {} }))
    .map(textOf)
    .join('');
};

const itemOf = async ({ id }: Generation): Promise<StoredGeneration> => {
  const key = keyOf('s', id);
  const stored = await bus.sessions.item(key, key.generation);
  if (stored?.item.kind !== 'generation') throw new Error('expected a generation');
  return stored.item;
};

const untilFlowing = (generation: Generation): Promise<unknown> => {
  const from = generation.position.seq;
  return waitFor(() => generation.position.seq >= from + 20, { what: '20 more tokens', timeoutMs: 20_000 });
};

/** kill -9 of the server that the generation comes from. @returns its index, and ms until more tokens came */
const killServer = async (generation: Generation): Promise<{ index: number; ms: number }> => {
  const { worker } = await itemOf(generation);
  const index = Number(worker?.slice(1));
  await servers[index]?.child.kill('SIGKILL');
  const [from, at] = [performance.now(), generation.position.seq];
  // What was on its way when it died may still come.
  const onItsWay = 5;
  await waitFor(() => generation.position.seq > at + onItsWay, { what: 'more tokens', timeoutMs: 20_000 });
  return { index, ms: performance.now() - from - (onItsWay / TOKENS_PER_SECOND) * 1_000 };
};

const expectWhole = async (generation: Generation, session = 's'): Promise<void> => {
  await generation.end;
  const text = wholeText();
  expect(sha256(generation.text)).toBe(sha256(text));
  expect(sha256(await storedText(bus, keyOf(session, generation.id)))).toBe(sha256(text));
  const report = checkTranscript(generation.id, attachmentsOf(viewer.sockets, generation.id));
  expect(report).toMatchObject({ violations: [], holes: 0, overlaps: 0, wireDuplicates: 0, epoch: 0 });
};

test('kill -9 of the model server, again and again: another one goes on from the same token within 3 s', async () => {
  await addWorker();
  await addWorker();
  const generation = start();
  for (let kills = 0; kills < KILLS; kills += 1) {
    await untilFlowing(generation);
    const { index, ms } = await killServer(generation);
    expect(ms).toBeLessThan(3_000);
    servers[index] = await spawnServer(servers[index]?.port);
    const back = async (): Promise<boolean> =>
      (await bus.workers.list()).some(({ worker }) => worker === `w${index}`);
    await waitFor(back, { what: 'the worker to offer its model again', timeoutMs: 10_000, pollMs: 50 });
  }
  await expectWhole(generation);
  expect(await itemOf(generation)).toMatchObject({ attempt: 1 + KILLS, reason: 'stop' });
}, 90_000);

test('the only model server dies: its run waits for the next one, and so does a prompt sent meanwhile', async () => {
  await addWorker();
  const generation = start();
  await untilFlowing(generation);
  const [server] = servers as [ModelServer];
  await server.child.kill('SIGKILL');
  await waitFor(async () => (await bus.workers.list()).length === 0, { what: 'no model to be offered' });
  expect((await itemOf(generation)).status).toBe('queued');
  const meanwhile = start('t');
  servers[0] = await spawnServer(server.port);
  await expectWhole(generation);
  await expectWhole(meanwhile, 't');
}, 60_000);
