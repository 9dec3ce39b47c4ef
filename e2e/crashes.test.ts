import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Bus } from '@sluice/bus';
import type { Generation } from '@sluice/client';
import { checkTranscript, sha256, startFaultProxy, waitFor } from '@sluice/testkit';
import { SimulatedEngine } from '@sluice/simulator';
import { keyOf, recordedClient, storedText } from './support/clients.ts';
import type { RecordedClient } from './support/clients.ts';
import { spawnEdge } from './support/processes.ts';
import { attachmentsOf } from './support/recording.ts';
import { startSystem } from './support/system.ts';
import type { System } from './support/system.ts';

const CLIENTS = 30;
const TOKENS = 500;

let system: System;
let bus: Bus;
const closers: (() => unknown)[] = [];

beforeEach(async () => {
  system = await startSystem();
  bus = await system.bus();
  await system.addWorker(new SimulatedEngine({ tokensPerSecond: 100, ttftMs: 50, source: 'ngram' }));
});
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
  await system.close();
});

type Running = RecordedClient & { readonly session: string; readonly generation: Generation };

/** One client, one session and one generation each. */
const startClients = (url: string): Running[] =>
  Array.from({ length: CLIENTS }, (_, index) => {
    const recorded = recordedClient(url, `user-${index}`);
    closers.push(() => recorded.client.close());
    const session = `s-${index}`;
    const params = { simulated: { tokens: TOKENS, watermark: session } };
    return {
      ...recorded,
      session,
      generation: recorded.client.session(session).prompt({ input: 'go', params }),
    };
  });

const untilSeq = (running: readonly Running[], seq: number): Promise<unknown> =>
  waitFor(() => running.every(({ generation }) => generation.position.seq >= seq), {
    what: `every client to have ${seq} tokens`,
    timeoutMs: 20_000,
    pollMs: 20,
  });

const expectWhole = async ({ generation, sockets, session }: Running): Promise<void> => {
  const end = await generation.end;
  expect(end).toMatchObject({ reason: 'stop', seq: TOKENS });
  const text = await storedText(bus, keyOf(session, generation.id));
  expect(sha256(generation.text)).toBe(sha256(text));
  const expected = Array.from({ length: TOKENS }, (_, i) => `⟦${session}.${i + 1}⟧`).join('');
  expect(text).toBe(expected);
  const report = checkTranscript(generation.id, attachmentsOf(sockets, generation.id));
  expect(report.violations).toEqual([]);
  expect(report.wireDuplicates).toBe(0);
};

test('kill -9 of the edge in mid-stream: every client catches up on the second edge', async () => {
  const [first, second] = await Promise.all([spawnEdge(system.nats.url), spawnEdge(system.nats.url)]);
  closers.push(() => Promise.all([first.child.kill(), second.child.kill()]));
  const proxy = await startFaultProxy({ target: { host: '127.0.0.1', port: first.port } });
  closers.push(() => proxy.close());
  const running = startClients(`${proxy.url('ws')}/v1/ws`);
  await untilSeq(running, 100);
  proxy.setTarget({ host: '127.0.0.1', port: second.port });
  await first.child.kill('SIGKILL');
  await Promise.all(running.map(expectWhole));
  expect(running.every(({ sockets }) => sockets.length >= 2)).toBe(true);
}, 60_000);

test('kill -9 and restart of nats-server: streams go on and nothing is lost', async () => {
  const edge = await system.addEdge();
  const running = startClients(`ws://127.0.0.1:${edge.port}/v1/ws`);
  await untilSeq(running, 100);
  await system.nats.kill('SIGKILL');
  await system.nats.restart();
  await Promise.all(running.map(expectWhole));
  // The sockets stayed open: clients saw a pause, no disconnect.
  expect(running.every(({ sockets }) => sockets.length === 1)).toBe(true);
}, 60_000);

test('a hung nats-server is waited for: its streams go on once it answers again', async () => {
  const edge = await system.addEdge();
  const running = startClients(`ws://127.0.0.1:${edge.port}/v1/ws`);
  await untilSeq(running, 100);
  await system.nats.pause();
  // Long enough for publishes to time out and for the connection to be given up.
  await waitFor(() => !bus.link.connected, { what: 'the hung server to be noticed', timeoutMs: 10_000 });
  system.nats.resume();
  await Promise.all(running.map(expectWhole));
}, 60_000);

test('two edges serve one session, and a prompt sent 50 times through both runs once', async () => {
  const edges = await Promise.all([system.addEdge(), system.addEdge()]);
  const body = { input: 'once', generation: 'the-one', params: { simulated: { tokens: 50 } } };
  const runs = Array.from({ length: 50 }, (_, index) => {
    const edge = edges[index % 2];
    const { client } = recordedClient(`ws://127.0.0.1:${edge?.port}/v1/ws`, `user-${index}`);
    closers.push(() => client.close());
    return client.session('shared').prompt(body);
  });
  const accepted = await Promise.all(runs.map((run) => run.accepted));
  expect(accepted.filter(({ created }) => created)).toHaveLength(1);
  const texts = await Promise.all(runs.map((run) => run.done));
  expect(new Set(texts).size).toBe(1);
  const key = keyOf('shared', 'the-one');
  const stored = async () => (await bus.sessions.item(key, key.generation))?.item;
  // The end is in the log a moment before it is in the item.
  await waitFor(
    async () => (await stored())?.kind === 'generation' && JSON.stringify(await stored()).includes('"done"'),
    { what: 'the item to be done' },
  );
  expect(await stored()).toMatchObject({ attempt: 1, seq: 50 });

  const { client } = recordedClient(`ws://127.0.0.1:${edges[0]?.port}/v1/ws`);
  closers.push(() => client.close());
  const other = client.session('shared').prompt({ ...body, input: 'something else' });
  await expect(other.accepted).rejects.toMatchObject({ code: 'conflict' });
}, 60_000);
