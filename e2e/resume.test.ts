import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Bus } from '@sluice/bus';
import type { TransportKind } from '@sluice/client';
import { checkTranscript, sha256, startFaultProxy } from '@sluice/testkit';
import type { FaultProxy } from '@sluice/testkit';
import { SimulatedEngine } from '@sluice/simulator';
import { keyOf, recordedClient, storedText } from './support/clients.ts';
import type { RecordedClient } from './support/clients.ts';
import { attachmentsOf } from './support/recording.ts';
import { startSystem } from './support/system.ts';
import type { System } from './support/system.ts';

const TOKENS = 2_000;
const CUTS = 200;

let system: System;
let bus: Bus;
let port: number;
const proxies: FaultProxy[] = [];
const viewers: RecordedClient[] = [];

beforeEach(async () => {
  system = await startSystem();
  bus = await system.bus();
  ({ port } = await system.addEdge());
  await system.addWorker(new SimulatedEngine({ tokensPerSecond: 100, ttftMs: 200, source: 'ngram' }));
});
afterEach(async () => {
  await Promise.all(viewers.map(({ client }) => client.close()));
  await Promise.all(proxies.map((proxy) => proxy.close()));
  await system.close();
});

/**
 * How many bytes a connection carries until it is cut, mostly few: the head of an answer is 200 to 500 and `ready`
 * 500, so many are cut before the first token.
 */
const cutAfter = (): number => 1 + Math.floor(2_500 * Math.random() ** 2);

/** A viewer behind a proxy of its own, which cuts its first 200 connections. */
const cutViewer = async (transport: TransportKind): Promise<RecordedClient & { proxy: FaultProxy }> => {
  const proxy = await startFaultProxy({ target: { host: '127.0.0.1', port } });
  proxies.push(proxy);
  for (let cut = 0; cut < CUTS; cut += 1) proxy.cutAfter(cutAfter(), 'down');
  const viewer = recordedClient(`${proxy.url('ws')}/v1/ws`, 'ann', {
    transports: [transport],
    backoff: { baseMs: 5, capMs: 15 },
  });
  viewers.push(viewer);
  return { ...viewer, proxy };
};

const expectWhole = async (transport: TransportKind): Promise<void> => {
  const { client, sockets, proxy } = await cutViewer(transport);
  const params = { simulated: { tokens: TOKENS } };
  const generation = client.session(transport).prompt({ input: 'go', params });
  await generation.end;
  const text = await storedText(bus, keyOf(transport, generation.id));
  expect(sha256(generation.text)).toBe(sha256(text));
  expect(generation.position.seq).toBe(TOKENS);

  const report = checkTranscript(generation.id, attachmentsOf(sockets, generation.id));
  const { violations, holes, overlaps, wireDuplicates } = report;
  expect({ transport, violations, holes, overlaps, wireDuplicates }).toEqual({
    transport,
    violations: [],
    holes: 0,
    overlaps: 0,
    wireDuplicates: 0,
  });
  expect(sha256(report.text)).toBe(sha256(text));
  expect([transport, proxy.accepted >= CUTS]).toEqual([transport, true]);
};

// compat(sluice): resume
test('a viewer cut at 200 random points ends with the stored text, nothing twice, nothing missing', async () => {
  const transports = ['websocket', 'sse', 'poll'] as const;
  await Promise.all(transports.map((transport) => expectWhole(transport)));
}, 90_000);
