import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { openRawClient, UpgradeRefusedError } from '@sluice/testkit';
import { askOk, codeOf, keyOf, newId, textOf } from './support/asking.ts';
import { createWorld, tokenOf } from './support/world.ts';
import type { TestEdge, World } from './support/world.ts';

let world: World;
let target: TestEdge;
beforeEach(async () => {
  world = createWorld();
  target = await world.addEdge();
});
afterEach(() => world.close());

describe('an edge that drains', () => {
  test('tells each client when to reconnect, and closes it then with 1012', async () => {
    const clients = [await target.open(), await target.open(), await target.open()];
    const started = performance.now();
    const drained = target.edge.drain(300);
    expect(target.edge.accepting).toBe(false);
    for (const client of clients) {
      const { reconnectMs } = await client.nextFrame('goaway');
      expect(reconnectMs).toBeGreaterThanOrEqual(0);
      expect(reconnectMs).toBeLessThanOrEqual(300);
      expect(await client.closed).toEqual({ code: 1012, reason: 'the server restarts' });
      expect(performance.now() - started).toBeGreaterThanOrEqual(reconnectMs - 2);
    }
    await drained;
  });

  test('takes no new connection, and serves the old ones until they close', async () => {
    const client = await target.open();
    const drained = target.edge.drain(200);
    await expect(openRawClient(target.url, { token: tokenOf() })).rejects.toMatchObject({ status: 503 });
    if (client.frames('goaway').length === 0) await client.nextFrame('goaway');
    expect(await codeOf(client, { type: 'ping' }).catch(() => 'closed')).toMatch(/ok|closed/);
    await drained;
    await expect(openRawClient(target.url)).rejects.not.toBeInstanceOf(UpgradeRefusedError);
  });

  test('loses no token of those who move to another edge', async () => {
    const worker = await world.addWorker();
    const next = await world.addEdge();
    const generation = newId();
    const first = await target.open();
    await askOk(first, { type: 'prompt', session: 's1', generation, input: 'x' });
    const run = await worker.claim(keyOf('s1', generation));
    await run.write('a', 'b', 'c');
    await first.nextFrame((frame) => frame.type === 'delta' && frame.seq === 3);
    await Promise.all([target.edge.drain(0), run.write('d', 'e')]);
    await first.closed;
    const seen = first.frames('delta').at(-1)?.seq ?? 0;
    const second = await next.open();
    const positions = { [generation]: { epoch: 0, seq: seen } };
    await askOk(second, { type: 'subscribe', session: 's1', positions });
    await run.end();
    await second.nextFrame('end');
    expect(textOf(first, generation) + textOf(second, generation)).toBe('abcde');
  });

  test('does not wait for a client that never answers', async () => {
    const hung = await target.open();
    hung.pause();
    const started = performance.now();
    await target.edge.close();
    expect(performance.now() - started).toBeLessThan(3_000);
  });
});

test('closing is idempotent and leaves nothing behind on the bus', async () => {
  const client = await target.open();
  await askOk(client, { type: 'subscribe', session: 's1' });
  await Promise.all([target.edge.close(), target.edge.close()]);
  expect((await client.closed).code).toBe(1012);
  expect([...world.hub.tails.keys()]).toEqual([]);
});
