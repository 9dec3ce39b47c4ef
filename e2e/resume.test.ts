import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Bus } from '@sluice/bus';
import { checkTranscript, sha256, startFaultProxy } from '@sluice/testkit';
import type { FaultProxy } from '@sluice/testkit';
import { SimulatedEngine } from '@sluice/worker';
import { keyOf, recordedClient, storedText } from './support/clients.ts';
import type { RecordedClient } from './support/clients.ts';
import { attachmentsOf } from './support/recording.ts';
import { startSystem } from './support/system.ts';
import type { System } from './support/system.ts';

const TOKENS = 2_000;
const CUTS = 200;

let system: System;
let bus: Bus;
let proxy: FaultProxy;
let viewer: RecordedClient | undefined;

beforeEach(async () => {
  system = await startSystem();
  bus = await system.bus();
  const edge = await system.addEdge();
  await system.addWorker(new SimulatedEngine({ tokensPerSecond: 200, ttftMs: 200, source: 'ngram' }));
  proxy = await startFaultProxy({ target: { host: '127.0.0.1', port: edge.port } });
});
afterEach(async () => {
  await viewer?.client.close();
  await proxy.close();
  await system.close();
});

/**
 * How many bytes a connection carries until it is cut, mostly few: the head of an answer is 200 to 500 and `ready`
 * 500, so many are cut before the first token.
 */
const cutAfter = (): number => 1 + Math.floor(2_500 * Math.random() ** 2);

describe.each(['websocket', 'sse', 'poll'] as const)('over %s', (transport) => {
  test('a viewer cut at 200 random points ends with the stored text, nothing twice, nothing missing', async () => {
    for (let cut = 0; cut < CUTS; cut += 1) proxy.cutAfter(cutAfter(), 'down');
    viewer = recordedClient(`${proxy.url('ws')}/v1/ws`, 'ann', { transports: [transport] });
    const { client, sockets } = viewer;
    const session = client.session('s');
    const generation = session.prompt({ input: 'go', params: { simulated: { tokens: TOKENS } } });
    await generation.end;
    const text = await storedText(bus, keyOf('s', generation.id));
    expect(sha256(generation.text)).toBe(sha256(text));
    expect(generation.position.seq).toBe(TOKENS);

    const report = checkTranscript(generation.id, attachmentsOf(sockets, generation.id));
    expect(report.violations).toEqual([]);
    expect({ holes: report.holes, overlaps: report.overlaps, wireDuplicates: report.wireDuplicates }).toEqual(
      {
        holes: 0,
        overlaps: 0,
        wireDuplicates: 0,
      },
    );
    expect(sha256(report.text)).toBe(sha256(text));
    expect(proxy.accepted).toBeGreaterThanOrEqual(CUTS);
  }, 60_000);
});
