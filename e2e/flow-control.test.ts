import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { MIN_LEAD } from '@sluice/core';
import type { TransportKind } from '@sluice/client';
import type { Edge } from '@sluice/edge';
import { checkTranscript, openRawClient, openRawHttpClient, startFaultProxy, waitFor } from '@sluice/testkit';
import type { RawClient } from '@sluice/testkit';
import { SimulatedEngine } from '@sluice/simulator';
import type { Worker } from '@sluice/worker';
import { keyOf, recordedClient, storedTokens, tokenFor } from './support/clients.ts';
import { attachmentsOf } from './support/recording.ts';
import { startSystem } from './support/system.ts';
import type { System } from './support/system.ts';

let system: System;
let edge: Edge;
let worker: Worker;
const closers: (() => unknown)[] = [];

beforeEach(async () => {
  system = await startSystem();
  edge = await system.addEdge();
  worker = await system.addWorker(new SimulatedEngine({ tokensPerSecond: 100, ttftMs: 20, source: 'ngram' }));
});
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
  await system.close();
});

const taken = (of: Worker): number => of.tally.orgs.total.tokens;

const openOver = (transport: TransportKind): Promise<RawClient> =>
  transport === 'websocket'
    ? openRawClient(`ws://127.0.0.1:${edge.port}/v1/ws`, { token: tokenFor('ann') })
    : openRawHttpClient(edge.url, { token: tokenFor('ann'), transport });

describe.each(['websocket', 'sse', 'poll'] as const)('over %s', (transport) => {
  // A connection over HTTP opens with more requests, and its acks wait for each other.
  const patience = transport === 'websocket' ? 5_000 : 15_000;
  test(
    'a lone viewer that stops acking stops the worker within 16 tokens, and an ack starts it again',
    async () => {
      const client = await openOver(transport);
      closers.push(() => client.close());
      const generation = 'strict';
      const params = { simulated: { tokens: 200 } };
      client.send({ type: 'prompt', session: 's', generation, input: 'go', lead: 'strict', params });
      const at16 = await client.nextFrame(
        (frame) => frame.type === 'delta' && frame.seq === MIN_LEAD,
        2 * patience,
      );
      expect(at16).toBeDefined();
      // Held, then parked: the worker says so, and has not gone one token further.
      await client.nextFrame((frame) => frame.type === 'state' && frame.state === 'parked', 2 * patience);
      expect(taken(worker)).toBe(MIN_LEAD);
      expect(await storedTokens(await system.bus(), keyOf('s', generation))).toHaveLength(MIN_LEAD);

      const started = performance.now();
      client.send({ type: 'ack', session: 's', generation, epoch: 0, seq: 10 });
      await client.nextFrame((frame) => frame.type === 'delta' && frame.seq > MIN_LEAD, patience);
      expect(performance.now() - started).toBeLessThan(transport === 'websocket' ? 1_000 : 5_000);
      await client.nextFrame((frame) => frame.type === 'delta' && frame.seq === 26, patience);
      // Held again, which shows that nothing more is on its way.
      await client.nextFrame((frame) => frame.type === 'state' && frame.state === 'paused', patience);
      expect(taken(worker)).toBe(26);
      client.send({ type: 'cancel', session: 's', generation });
      await client.nextFrame('end', patience);
    },
    6 * patience,
  );
});

test('an ack during a hold lets the worker go on at once, without parking', async () => {
  const client = await openRawClient(`ws://127.0.0.1:${edge.port}/v1/ws`, { token: tokenFor('ann') });
  closers.push(() => client.close());
  const generation = 'hold';
  const params = { simulated: { tokens: 48 } };
  client.send({ type: 'prompt', session: 's', generation, input: 'go', lead: 'strict', params });
  for (const seq of [16, 32, 48]) {
    await client.nextFrame((frame) => frame.type === 'delta' && frame.seq === seq, 5_000);
    client.send({ type: 'ack', session: 's', generation, epoch: 0, seq });
  }
  await client.nextFrame('end', 5_000);
  expect(client.frames('state')).toEqual([]);
}, 30_000);

test('a viewer behind 300 ms of round trip gets 100 tokens/s at full speed', async () => {
  const proxy = await startFaultProxy({ target: { host: '127.0.0.1', port: edge.port } });
  closers.push(() => proxy.close());
  proxy.setLatency(150);
  const { client, sockets } = recordedClient(`${proxy.url('ws')}/v1/ws`);
  closers.push(() => client.close());
  const session = client.session('s');
  const params = { simulated: { tokens: 1_000, jitter: 0 } };
  const generation = session.prompt({ input: 'go', params });
  await generation.end;
  const frames = sockets[0]?.received.filter(({ frame }) => frame.type === 'delta') ?? [];
  const seconds = ((frames.at(-1)?.at ?? 0) - (frames[0]?.at ?? 0)) / 1000;
  expect(1_000 / seconds).toBeGreaterThan(95);
  expect(checkTranscript(generation.id, attachmentsOf(sockets, generation.id)).violations).toEqual([]);
}, 40_000);

test('with nobody watching a run with policy finish goes on to its end', async () => {
  const client = await openRawClient(`ws://127.0.0.1:${edge.port}/v1/ws`, { token: tokenFor('ann') });
  const generation = 'finish';
  const params = { simulated: { tokens: 300, tokensPerSecond: 0 } };
  client.send({
    type: 'prompt',
    id: 'p',
    session: 's',
    generation,
    input: 'go',
    onAbandon: 'finish',
    params,
  });
  await client.nextFrame('ok', 5_000);
  client.close();
  const bus = await system.bus();
  const key = keyOf('s', generation);
  await waitFor(
    async () =>
      (await bus.sessions.item(key, key.generation))?.item.kind === 'generation' &&
      (await storedTokens(bus, key)).length === 300,
    {
      what: 'all tokens stored',
      timeoutMs: 20_000,
      pollMs: 50,
    },
  );
}, 40_000);
