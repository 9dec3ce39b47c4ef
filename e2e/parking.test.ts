import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { MAX_LEAD } from '@sluice/core';
import type { Edge } from '@sluice/edge';
import { sha256, waitFor } from '@sluice/testkit';
import { SimulatedEngine } from '@sluice/simulator';
import type { Worker } from '@sluice/worker';
import { keyOf, recordedClient, storedText } from './support/clients.ts';
import { startSystem } from './support/system.ts';
import type { System } from './support/system.ts';

const GENERATIONS = 100;
const TOKENS = 1_000;
const LEFT_AT = 200;

let system: System;
let edge: Edge;
let worker: Worker;

beforeEach(async () => {
  system = await startSystem();
  edge = await system.addEdge({ maxFramesPerSecond: 10_000, maxSessionsPerConnection: 200 });
  worker = await system.addWorker(new SimulatedEngine({ tokensPerSecond: 100, ttftMs: 20 }));
});
afterEach(() => system.close());

const tokensMade = (): number => worker.tally.orgs.total.tokens;

test('100 abandoned generations cost their lead at most, free their slots, and complete on return', async () => {
  const url = `ws://127.0.0.1:${edge.port}/v1/ws`;
  const first = recordedClient(url);
  const started = Array.from({ length: GENERATIONS }, (_, index) => {
    const session = `s-${index}`;
    const params = { simulated: { tokens: TOKENS, watermark: session } };
    const generation = first.client.session(session).prompt({ input: 'go', params });
    generation.end.catch(() => undefined);
    return { session, id: generation.id, generation };
  });
  await waitFor(() => started.every(({ generation }) => generation.position.seq >= LEFT_AT), {
    what: `${LEFT_AT} tokens everywhere`,
    timeoutMs: 30_000,
  });
  const seen = started.reduce((sum, { generation }) => sum + generation.position.seq, 0);
  await first.client.close();
  const left = performance.now();
  await waitFor(() => worker.running === 0, { what: 'all slots to be free', timeoutMs: 10_000 });
  // The lead runs out first, then the hold lasts two seconds.
  expect(performance.now() - left).toBeLessThan(6_000);
  const made = tokensMade();
  expect(made).toBeLessThanOrEqual(seen + GENERATIONS * MAX_LEAD);

  const second = recordedClient(url);
  const bus = await system.bus();
  await Promise.all(
    started.map(async ({ session, id }) => {
      const returned = second.client.session(session).generation(id);
      const text = await returned.done;
      const expected = Array.from({ length: TOKENS }, (_, i) => `⟦${session}.${i + 1}⟧`).join('');
      expect(sha256(text)).toBe(sha256(expected));
      expect(sha256(await storedText(bus, keyOf(session, id)))).toBe(sha256(expected));
    }),
  );
  // Nothing was generated twice.
  expect(tokensMade()).toBe(GENERATIONS * TOKENS);
  await second.client.close();
}, 90_000);

test('policy cancel ends a generation that nobody has watched for ten seconds, keeping its text', async () => {
  const viewer = recordedClient(`ws://127.0.0.1:${edge.port}/v1/ws`);
  const params = { simulated: { tokens: TOKENS, tokensPerSecond: 20 } };
  const generation = viewer.client.session('s').prompt({ input: 'go', onAbandon: 'cancel', params });
  generation.end.catch(() => undefined);
  await waitFor(() => generation.position.seq >= 5, { what: 'a few tokens' });
  const { id } = generation;
  await viewer.client.close();
  const bus = await system.bus();
  const key = keyOf('s', id);
  const item = await waitFor(
    async () => {
      const found = (await bus.sessions.item(key, key.generation))?.item;
      return found?.kind === 'generation' && found.status === 'done' ? found : undefined;
    },
    { what: 'the end', timeoutMs: 20_000, pollMs: 100 },
  );
  expect(item).toMatchObject({ reason: 'abandoned', text: await storedText(bus, key) });
  expect(item.seq).toBeGreaterThanOrEqual(5);
}, 40_000);
