/** Networks that let no WebSocket through: the SDK finds another way, and back. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Bus } from '@sluice/bus';
import type { Generation, Session, Status } from '@sluice/client';
import type { Edge } from '@sluice/edge';
import { checkTranscript, sha256, waitFor } from '@sluice/testkit';
import type { TranscriptReport } from '@sluice/testkit';
import { SimulatedEngine } from '@sluice/simulator';
import { keyOf, recordedClient, storedText } from './support/clients.ts';
import type { RecordedClient } from './support/clients.ts';
import { startHttpProxy } from './support/http-proxy.ts';
import type { HttpProxy } from './support/http-proxy.ts';
import { attachmentsOf } from './support/recording.ts';
import { startSystem } from './support/system.ts';
import type { System } from './support/system.ts';

let system: System;
let bus: Bus;
let edges: Edge[];
let proxy: HttpProxy;
let viewer: RecordedClient;
let statuses: Status[];

beforeEach(async () => {
  system = await startSystem();
  bus = await system.bus();
  edges = [await system.addEdge(), await system.addEdge()];
  await system.addWorker(new SimulatedEngine({ tokensPerSecond: 200, ttftMs: 20, source: 'ngram' }));
  proxy = await startHttpProxy(...edges.map(({ port }) => port));
});
afterEach(async () => {
  await viewer.client.close();
  await proxy.close();
  await system.close();
});

const connect = (upgradeMs = 60_000): Session => {
  statuses = [];
  viewer = recordedClient(proxy.url, 'ann', {
    transports: ['websocket', 'sse', 'poll'],
    backoff: { baseMs: 5, capMs: 50, upgradeMs },
    onStatus: (status) => statuses.push(status),
  });
  return viewer.client.session('s');
};

const ask = (session: Session, tokens: number): Generation =>
  session.prompt({ input: 'go', params: { simulated: { tokens } } });

/** Nothing missing and nothing twice, for the application, and within each connection. */
const expectWhole = async (generation: Generation, tokens: number): Promise<TranscriptReport> => {
  let shown = '';
  let seq = 0;
  for await (const delta of generation) {
    expect(delta.from).toBe(seq);
    shown += delta.text;
    ({ seq } = delta);
  }
  expect(await generation.end).toMatchObject({ reason: 'stop', seq: tokens });
  const text = await storedText(bus, keyOf('s', generation.id));
  expect(sha256(shown)).toBe(sha256(text));
  const report = checkTranscript(generation.id, attachmentsOf(viewer.sockets, generation.id));
  expect(report).toMatchObject({ violations: [], holes: 0, overlaps: 0 });
  expect(sha256(report.text)).toBe(sha256(text));
  return report;
};

const transport = (): string | undefined => {
  const { status } = viewer.client;
  return status.type === 'live' ? status.transport : undefined;
};

describe('where a WebSocket', () => {
  test.each([403, 404, 426])(
    'is refused with %i, frames come as a stream, through any edge',
    async (status) => {
      proxy.upgrades = status;
      const generation = ask(connect(), 200);
      await expectWhole(generation, 200);
      expect(statuses).toEqual([{ type: 'live', transport: 'sse' }]);
      const posts = proxy.requests.filter((request) => request.startsWith('POST /v1/connections/'));
      // Acks ride together: far fewer requests than the frames they answer.
      expect(posts.length).toBeLessThan(60);
    },
    20_000,
  );

  test('is never answered, frames come as a stream', async () => {
    proxy.upgrades = 'swallow';
    await expectWhole(ask(connect(), 100), 100);
    expect(statuses).toEqual([{ type: 'live', transport: 'sse' }]);
  }, 20_000);

  test('is refused and streams are kept back, frames are polled for, through any edge', async () => {
    proxy.upgrades = 403;
    proxy.buffersStreams = true;
    await expectWhole(ask(connect(), 200), 200);
    expect(statuses).toEqual([{ type: 'live', transport: 'poll' }]);
  }, 20_000);

  test('gets through, nothing else is tried', async () => {
    await expectWhole(ask(connect(), 50), 50);
    expect(statuses).toEqual([{ type: 'live', transport: 'websocket' }]);
    expect(proxy.requests).toEqual([]);
  }, 20_000);
});

describe.each([
  ['sse', false],
  ['poll', true],
] as const)('from %s', (lesser, buffersStreams) => {
  test('a client goes back to a WebSocket in mid-generation, without a pause', async () => {
    Object.assign(proxy, { upgrades: 403, buffersStreams });
    const generation = ask(connect(300), 600);
    await waitFor(() => generation.position.seq > 50, { what: 'tokens', timeoutMs: 15_000 });
    expect(transport()).toBe(lesser);
    proxy.upgrades = 'pass';
    await waitFor(() => transport() === 'websocket', { what: 'a WebSocket', timeoutMs: 10_000 });
    expect(generation.status).not.toBe('done');
    // What was on its way down the old connection is all that may have come twice, and is not shown.
    expect((await expectWhole(generation, 600)).wireDuplicates).toBeLessThan(100);
    expect(statuses).toEqual([
      { type: 'live', transport: lesser },
      { type: 'live', transport: 'websocket' },
    ]);
    await waitFor(() => generation.status === 'done' && session().viewers === 1, { what: 'one viewer' });
  }, 40_000);

  test('a client goes on when the edge that has its connection dies', async () => {
    Object.assign(proxy, { upgrades: 403, buffersStreams });
    const generation = ask(connect(), 400);
    await waitFor(() => generation.position.seq > 50, { what: 'tokens', timeoutMs: 15_000 });
    const [dying, other] = edges as [Edge, Edge];
    proxy.targets = [other.port];
    await dying.close();
    expect((await expectWhole(generation, 400)).wireDuplicates).toBe(0);
    expect(transport()).toBe(lesser);
  }, 40_000);
});

const session = (): Session => viewer.client.session('s');
