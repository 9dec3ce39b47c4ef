import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { connect } from '@sluice/client';
import { mintToken, sha256 } from '@sluice/testkit';
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
  const client = connect({ url: `ws://127.0.0.1:${edge.port}/v1/ws`, token });
  const session = client.session('s1');
  const generation = session.prompt('hello');
  let text = '';
  for await (const delta of generation) text += delta.text;
  const end = await generation.end;
  expect(end.reason).toBe('stop');
  const bus = await system.bus();
  const stored = await bus.sessions.item({ org: 'acme', session: 's1' } as never, generation.id as never);
  expect(sha256(text)).toBe(sha256((stored?.item as { text: string }).text));
  console.log(text.length, end, randomUUID().length);
  await client.close();
});
