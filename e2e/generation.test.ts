import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { sha256, waitFor } from '@sluice/testkit';
import { SimulatedEngine } from '@sluice/simulator';
import { keyOf, recordedClient } from './support/clients.ts';
import { startSystem } from './support/system.ts';
import type { System } from './support/system.ts';

let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system.close());

// compat(sluice): chat stream
test('a prompt over a WebSocket streams the text that the item then stores', async () => {
  const edge = await system.addEdge();
  await system.addWorker(new SimulatedEngine({ tokensPerSecond: 500, ttftMs: 10 }));
  const { client } = recordedClient(`ws://127.0.0.1:${edge.port}/v1/ws`);
  const generation = client.session('s1').prompt('hello');
  let text = '';
  for await (const delta of generation) text += delta.text;
  expect((await generation.end).reason).toBe('stop');
  expect(text.length).toBeGreaterThan(100);
  const bus = await system.bus();
  const key = keyOf('s1', generation.id);
  const item = await waitFor(
    async () => {
      const found = (await bus.sessions.item(key, key.generation))?.item;
      return found?.kind === 'generation' && found.status === 'done' ? found : undefined;
    },
    { what: 'the item to be done' },
  );
  expect(sha256(item.text ?? '')).toBe(sha256(text));
  await client.close();
});
