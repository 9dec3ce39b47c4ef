import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { checkTranscript, mintToken, openRawClient } from '@sluice/testkit';
import { SimulatedEngine } from '@sluice/worker';
import { SECRET, startSystem } from './support/system.ts';
import type { System } from './support/system.ts';

let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system.close());

test('a prompt over a WebSocket ends with the text the item stores', async () => {
  const edge = await system.addEdge();
  await system.addWorker(new SimulatedEngine({ tokensPerSecond: 500, ttftMs: 10 }));
  const token = mintToken({ org: 'acme', user: 'ann', secret: SECRET });
  const client = await openRawClient(`ws://127.0.0.1:${edge.port}/v1/ws`, { token });
  const generation = randomUUID();
  client.send({ type: 'prompt', id: 'p', session: 's1', generation, input: 'hello' });
  const end = await client.nextFrame('end', 20_000);
  console.log(end, client.transcript.slice(0, 6), client.transcript.length);
  client.close();
});
