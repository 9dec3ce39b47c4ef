import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ChunkWriter } from '@sluice/core';
import type { StoredGeneration } from '@sluice/core';
import { MAX_CHUNK_TOKENS, parseGenerationId, parseItemId } from '@sluice/protocol';
import type { GenerationKey } from '@sluice/protocol';
import { waitFor } from '@sluice/testkit';
import type { Bus, ErasedItem, PromptEntry } from '../src/index.ts';
import { backends, newKey } from './world.ts';
import type { World } from './world.ts';
import { writeTokens } from './writing.ts';

const SECRET = 'the-secret';
const USER = 'ann-the-author';
/** Two chunks of a body. */
const LONG = `${SECRET} `.repeat(40_000);

const entry = (input: string): PromptEntry => ({
  hash: 'h',
  user: USER,
  createdAt: 1,
  body: { input, model: 'm' },
});

const generation = (key: GenerationKey, input: string): StoredGeneration => ({
  ...{ id: key.generation, kind: 'generation', user: USER, createdAt: 1, model: 'm', input },
  ...{ governor: 'fastest', status: 'running', attempt: 1, epoch: 0, seq: 0 },
});

describe.each(backends)('Erasure on $name', ({ start }) => {
  let world: World;
  let bus: Bus;
  let other: Bus;
  beforeAll(async () => {
    world = await start();
    [bus, other] = await Promise.all([world.open(), world.open()]);
  });
  afterAll(() => world.stop());

  /** A generation with a prompt, bodies and a log of three chunks. @returns the rev of its item */
  const fill = async (key: GenerationKey): Promise<number> => {
    await bus.sessions.createPrompt(key, entry(LONG));
    const rev = (await bus.sessions.createItem(key, generation(key, LONG))) ?? 0;
    await writeTokens(
      bus.tokens,
      key,
      Array.from({ length: 2 * MAX_CHUNK_TOKENS + 5 }, () => `${SECRET} `),
    );
    return (await bus.sessions.updateItem(key, { ...generation(key, LONG), text: LONG }, rev)) ?? 0;
  };

  test('nothing of what was said, and of who said it, is left in the store', async () => {
    const key = newKey();
    const rev = await fill(key);
    expect(await world.content()).toContain(SECRET);
    expect(await other.erasure.ids(key)).toEqual([key.generation]);
    expect(await other.erasure.stand(key, key.generation)).toEqual({ rev, isErased: false });
    await other.erasure.item(key, key.generation, { rev });
    await other.erasure.rest(key, key.generation);
    const content = await world.content();
    expect(content).not.toContain(SECRET);
    expect(content).not.toContain(USER);
    expect(await bus.sessions.item(key, key.generation)).toBeUndefined();
    expect(await bus.sessions.prompt(key)).toBeUndefined();
    await other.erasure.rest(key, key.generation);
  });

  test('an item that has changed meanwhile is not erased', async () => {
    const key = newKey();
    const rev = (await bus.sessions.createItem(key, generation(key, 'go'))) ?? 0;
    await bus.sessions.updateItem(key, { ...generation(key, 'go'), attempt: 2 }, rev);
    expect(await bus.erasure.item(key, key.generation, { rev })).toBeUndefined();
    expect(await bus.sessions.item(key, key.generation)).toBeDefined();
  });

  test('nothing can be stored in the place of an item or a prompt that is erased', async () => {
    const key = newKey();
    await bus.sessions.createPrompt(key, entry('go'));
    const rev = (await bus.sessions.createItem(key, generation(key, 'go'))) ?? 0;
    await bus.erasure.item(key, key.generation, { rev });
    await bus.erasure.rest(key, key.generation);
    expect(await other.sessions.createItem(key, generation(key, 'go'))).toBeUndefined();
    expect(await other.sessions.updateItem(key, generation(key, 'go'), rev)).toBeUndefined();
    expect(await other.sessions.createPrompt(key, entry('go'))).toEqual({ created: false, entry: undefined });
  });

  test('an attempt that wrote before, or that has not written yet, is fenced', async () => {
    for (const before of [0, 3]) {
      const key = newKey();
      await bus.sessions.createPrompt(key, entry('go'));
      const writer = new ChunkWriter(1);
      for (let n = 0; n < before; n += 1) {
        const outcome = await bus.tokens.append(key, writer.draft([SECRET], 1).draft);
        if (outcome.type === 'stored') writer.stored(outcome.sequence);
      }
      await other.erasure.rest(key, key.generation);
      expect(await bus.tokens.append(key, writer.draft(['late'], 1).draft)).toEqual({
        type: 'wrong_sequence',
      });
      expect((await bus.tokens.head(key))?.record).toMatchObject({
        tokens: [],
        end: { reason: 'cancelled' },
      });
    }
    expect(await world.content()).not.toContain('late');
  });

  test('whoever lists or tails the session hears that an item is erased, and its other items stay', async () => {
    const key = newKey();
    const heard: ErasedItem[] = [];
    const tail = await other.tokens.tail(key, {
      record: () => undefined,
      item: () => undefined,
      erased: (item) => heard.push(item),
    });
    const first = (await bus.sessions.createItem(key, generation(key, 'go'))) ?? 0;
    const stays = parseItemId('stays');
    await bus.sessions.createItem(key, { id: stays, kind: 'message', user: 'bob', createdAt: 1, text: 'hi' });
    const rev = await bus.erasure.item(key, key.generation, { rev: first });
    expect(await bus.erasure.stand(key, key.generation)).toEqual({ rev, isErased: true });
    await waitFor(() => heard.length > 0, { what: 'the erased item' });
    expect(heard).toEqual([{ rev, id: key.generation }]);
    const page = await other.sessions.items(key, 0);
    expect(page).toMatchObject({ items: [{ item: { id: stays } }], erased: heard, rev, more: false });
    tail.close();
  });

  test('only the item that is named is erased, and only in its session', async () => {
    const [key, foreign] = [newKey(), newKey()];
    const neighbour = { ...key, generation: parseGenerationId(`${key.generation.slice(0, 20)}-2`) };
    for (const each of [key, neighbour, foreign]) await fill(each);
    await bus.erasure.rest(key, key.generation);
    for (const each of [neighbour, foreign]) {
      const item = (await bus.sessions.item(each, each.generation))?.item;
      expect(item && (await bus.sessions.whole(each, item))).toMatchObject({ input: LONG, text: LONG });
      expect((await bus.sessions.prompt(each))?.body.input).toBe(LONG);
      expect((await bus.tokens.head(each))?.chunk).toBe(2);
    }
  });

  test('an item that cannot be read can be erased', async () => {
    const key = newKey();
    const id = parseItemId('strange');
    await world.publish(`$KV.SESSIONS.${key.org}.${key.session}.${id}`, SECRET);
    expect(await bus.erasure.ids(key)).toEqual([id]);
    const stand = await bus.erasure.stand(key, id);
    await bus.erasure.item(key, id, { rev: stand?.rev ?? 0 });
    expect(await bus.erasure.stand(key, id)).toMatchObject({ isErased: true });
  });
});
