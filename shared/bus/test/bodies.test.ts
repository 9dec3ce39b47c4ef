/** Texts of any size in a session: written apart, read whole or not at all. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { StoredGeneration } from '@sluice/core';
import type { GenerationKey } from '@sluice/protocol';
import { BusRefusedError } from '../src/index.ts';
import type { Bus, ForeignMessage, ItemBody, PromptEntry } from '../src/index.ts';
import { BUCKETS, bodySubject, itemKey } from '../src/subjects.ts';
import { backends, newKey } from './world.ts';
import type { World } from './world.ts';

const MIB = 1024 * 1024;

const doneOf = (
  { generation: id }: GenerationKey,
  more: Partial<StoredGeneration> = {},
): StoredGeneration => ({
  ...{ id, kind: 'generation', user: 'u', createdAt: 1, model: 'm', input: 'hi', governor: 'fastest' },
  ...{ status: 'done', attempt: 1, epoch: 0, seq: 3, reason: 'stop' },
  ...more,
});
const entryOf = (body: object, note?: object): PromptEntry => ({
  ...{ hash: 'h', user: 'u', createdAt: 1, body: { model: 'm', ...body } },
  ...(note && { note }),
});

describe.each(backends)('Bodies on $name', ({ start }) => {
  let world: World;
  let bus: Bus;
  let other: Bus;
  const foreign: ForeignMessage[] = [];
  beforeAll(async () => {
    world = await start();
    [bus, other] = await Promise.all([world.open(), world.open()]);
    other.border.onForeign((message) => foreign.push(message));
  });
  afterAll(() => world.stop());

  const itemOf = async (key: GenerationKey): Promise<ItemBody> => {
    const stored = await other.sessions.item(key, key.generation);
    if (stored === undefined) throw new Error('expected an item, there is none');
    return stored.item;
  };

  test.each([
    ['512 KiB of newlines', '\n'.repeat(512 * 1024)],
    ['200,000 NULs', '\u0000'.repeat(200_000)],
    ['400,000 quotes', '"'.repeat(400_000)],
    ['4 MiB', 'é'.repeat(2 * MIB)],
    ['torn surrogates', '\ud83d'.repeat(20_000)],
  ])('an answer of %s is stored and read whole', async (_name, text) => {
    const key = newKey();
    const whole = doneOf(key, {
      text,
      reasoning: 'hm',
      toolCalls: [{ id: 'c', name: 'f', arguments: '{}' }],
    });
    expect(await bus.sessions.createItem(key, whole)).toBeGreaterThan(0);
    const item = await itemOf(key);
    expect(item).not.toHaveProperty('text');
    expect(item).toMatchObject({ bodies: { answer: { bytes: expect.any(Number) } } });
    expect(await other.sessions.whole(key, item)).toEqual(whole);
  });

  test('a listing of long texts is short, and reads no body', async () => {
    const key = newKey();
    const line = { kind: 'message', user: 'u', createdAt: 1, text: 'x'.repeat(100_000) } as const;
    for (let n = 0; n < 30; n += 1) await bus.sessions.createItem(key, { ...line, id: `i${n}` });
    const page = await other.sessions.items(key, 0);
    expect(page).toMatchObject({ more: false, items: { length: 30 } });
    expect(JSON.stringify(page).length).toBeLessThan(64 * 1024);
    const [first] = page.items;
    expect(first && (await other.sessions.whole(key, first.item))).toEqual({ ...line, id: 'i0' });
  });

  test.each([
    ['input', { input: 'é'.repeat(8 * MIB) }],
    ['messages', { messages: [{ role: 'user', content: 'x'.repeat(16 * MIB) }], params: { seed: 1 } }],
  ])('a prompt with 16 MiB of %s comes back as it was', async (_name, body) => {
    const key = newKey();
    const entry = entryOf(body, { of: 'an edge' });
    expect(await bus.sessions.createPrompt(key, entry)).toEqual({ created: true, entry });
    expect(await other.sessions.prompt(key)).toEqual(entry);
    expect(await other.sessions.createPrompt(key, entryOf({ input: 'z'.repeat(50_000) }))).toEqual({
      created: false,
      entry,
    });
  });

  test('two writers of one id do not mix what they wrote', async () => {
    const key = newKey();
    const texts = Array.from({ length: 8 }, (_, n) => `${n}`.repeat(600_000));
    const results = await Promise.all(
      texts.map((input, n) => (n % 2 ? bus : other).sessions.createPrompt(key, entryOf({ input }))),
    );
    expect(results.filter(({ created }) => created)).toHaveLength(1);
    const stored = (await other.sessions.prompt(key))?.body.input;
    expect(texts).toContain(stored);
    expect(new Set(results.map(({ entry }) => entry?.body.input))).toEqual(new Set([stored]));
  });

  test('an update keeps what is apart, and a new text takes its place', async () => {
    const key = newKey();
    const whole = doneOf(key, { input: 'i'.repeat(50_000), text: 't'.repeat(50_000) });
    const rev = (await bus.sessions.createItem(key, whole)) ?? 0;
    const changed = { ...(await itemOf(key)), attempt: 2 } as StoredGeneration;
    const next = (await other.sessions.updateItem(key, changed, rev)) ?? 0;
    expect(await other.sessions.updateItem(key, changed, rev)).toBe(next);
    expect(await bus.sessions.whole(key, await itemOf(key))).toEqual({ ...whole, attempt: 2 });
    const newer = { ...(await itemOf(key)), text: 'u'.repeat(50_000) } as StoredGeneration;
    await bus.sessions.updateItem(key, newer, next);
    expect(await bus.sessions.whole(key, await itemOf(key))).toEqual({
      ...whole,
      attempt: 2,
      text: newer.text,
    });
  });

  test('an item that is larger without its texts than a message may be is refused, and nothing is stored', async () => {
    const key = newKey();
    const item = { ...doneOf(key), mark: 'x'.repeat(40_000) };
    await expect(bus.sessions.createItem(key, item)).rejects.toThrow(BusRefusedError);
    expect(await bus.sessions.item(key, key.generation)).toBeUndefined();
  });

  test('what was stored in one message before there were bodies is read, and moves apart with its next version', async () => {
    const key = newKey();
    const old = doneOf(key, { status: 'running', input: 'i'.repeat(250_000), text: 't'.repeat(500_000) });
    const id = itemKey(key, key.generation);
    await world.publish(`$KV.${BUCKETS.sessions}.${id}`, JSON.stringify(old));
    const entry = entryOf({ input: 'i'.repeat(250_000) });
    await world.publish(`$KV.${BUCKETS.prompts}.${id}`, JSON.stringify(entry));
    expect(await other.sessions.prompt(key)).toEqual(entry);
    const stored = await other.sessions.item(key, key.generation);
    expect(stored?.item).toEqual(old);
    expect(stored && (await other.sessions.whole(key, stored.item))).toEqual(old);
    await bus.sessions.updateItem(key, old, stored?.rev ?? 0);
    const item = await itemOf(key);
    expect(JSON.stringify(item).length).toBeLessThan(32 * 1024);
    expect(await other.sessions.whole(key, item)).toEqual(old);
  });

  describe('a body that', () => {
    const text = 'x'.repeat(600_000);
    /** An item whose text has three chunks, after somebody has put something in place of one. */
    const tampered = async (chunk: number, garbage: string): Promise<[GenerationKey, ItemBody]> => {
      const key = newKey();
      await bus.sessions.createItem(key, doneOf(key, { text }));
      const item = (await itemOf(key)) as StoredGeneration;
      const { sha256 = '' } = item.bodies?.answer ?? {};
      await world.publish(bodySubject(key, key.generation, { part: 'answer', sha256, chunk }), garbage);
      foreign.length = 0;
      return [key, item];
    };

    test.each([
      ['has another chunk', 1, 'y'.repeat(256 * 1024)],
      ['lost a byte', 0, 'x'],
      ['has more than it should', 2, 'x'.repeat(900_000)],
      ['has an empty chunk', 0, ''],
    ])('%s is not read at all, and that is told', async (_name, chunk, garbage) => {
      const [key, item] = await tampered(chunk, garbage);
      expect(await other.sessions.whole(key, item)).toBeUndefined();
      expect(foreign).toMatchObject([{ kind: 'body' }]);
      expect(foreign[0]?.reason).not.toContain('xxx');
    });

    test('is not there is not read, whoever names it', async () => {
      const key = newKey();
      const ref = { chunks: 40, bytes: 9_000_000, sha256: 'a'.repeat(64) };
      await bus.sessions.createItem(key, doneOf(key, { preview: 'x', bodies: { answer: ref } }));
      foreign.length = 0;
      expect(await other.sessions.whole(key, await itemOf(key))).toBeUndefined();
      expect(foreign).toMatchObject([{ kind: 'body' }]);
      const prompt = { ...entryOf({}), bodies: { prompt: ref } };
      await world.publish(`$KV.${BUCKETS.prompts}.${itemKey(key, key.generation)}`, JSON.stringify(prompt));
      expect(await other.sessions.prompt(key)).toBeUndefined();
      expect(await other.sessions.createPrompt(key, entryOf({ input: 'mine' }))).toEqual({
        created: false,
        entry: undefined,
      });
    });

    test('says something else than its part is not read', async () => {
      const key = newKey();
      await bus.sessions.createItem(key, doneOf(key, { text }));
      const { bodies } = (await itemOf(key)) as StoredGeneration;
      const { answer } = bodies ?? {};
      await bus.sessions.createItem(key, {
        ...doneOf(key),
        id: 'liar',
        bodies: { ...(answer && { input: answer }) },
      });
      const liar = await other.sessions.items(key, 0);
      foreign.length = 0;
      for (const { item } of liar.items.slice(1))
        expect(await other.sessions.whole(key, item)).toBeUndefined();
      expect(foreign).toMatchObject([{ kind: 'body' }]);
    });
  });
});
