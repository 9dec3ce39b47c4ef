/** Viewers that name a generation before anybody has heard of it, as a client does that is about to prompt. */
import { describe, expect, test } from '@jest/globals';
import type { RawClient } from '@sluice/testkit';
import { askOk, textOf } from '../support/asking.ts';
import { attachmentScene, endOf, subscribe } from '../support/attachment-scene.ts';

const scene = attachmentScene();

/** What is stored meanwhile is told to nobody: its live messages come late, or never. */
const unheard = async (meanwhile: () => Promise<unknown>): Promise<void> => {
  const { hub } = scene.world;
  const tails = new Map(hub.tails);
  hub.tails.clear();
  await meanwhile();
  await new Promise((resolve) => setImmediate(resolve));
  for (const [session, listeners] of tails) hub.tails.set(session, listeners);
};

const stored = (): Promise<unknown> => {
  const generation = { kind: 'generation', user: 'ann', createdAt: 1, model: 'm1', input: 'x' } as const;
  const fresh = { governor: 'fastest', status: 'queued', attempt: 0, epoch: 0, seq: 0 } as const;
  return scene.world.bus.sessions.createItem(scene.key, {
    id: scene.key.generation,
    ...generation,
    ...fresh,
  });
};

const watching = async (): Promise<RawClient> => {
  const client = await scene.target.open();
  await askOk(client, subscribe(scene.at(0, 0)));
  return client;
};

describe('a generation that one viewer finds in the store', () => {
  test('is served to those as well who came before it', async () => {
    const early = await watching();
    await unheard(stored);
    const late = await watching();
    const run = await scene.worker.claim(scene.key);
    await run.write('a', 'b');
    await run.end();
    for (const client of [early, late]) {
      await endOf(client);
      expect(textOf(client, scene.key.generation)).toBe('ab');
      expect(client.frames('end')).toHaveLength(1);
    }
  });

  test('is served to those who named it, also where it is done by then', async () => {
    const early = await watching();
    await unheard(async () => {
      await stored();
      const run = await scene.worker.claim(scene.key);
      await run.write('a', 'b');
      await run.end();
    });
    const late = await watching();
    for (const client of [early, late]) {
      await endOf(client);
      expect(textOf(client, scene.key.generation)).toBe('ab');
    }
  });

  test('is announced once to each', async () => {
    const early = await watching();
    await unheard(stored);
    const late = await watching();
    await askOk(early, { type: 'ping' });
    const told = (client: RawClient): number =>
      client.frames('item').filter(({ item }) => item.id === scene.key.generation).length +
      client
        .frames('subscribed')
        .flatMap(({ items }) => items)
        .filter(({ id }) => id === scene.key.generation).length;
    expect([told(early), told(late)]).toEqual([1, 1]);
  });
});
