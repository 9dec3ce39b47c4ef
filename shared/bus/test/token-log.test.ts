import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ChunkWriter } from '@sluice/core';
import type { Draft } from '@sluice/core';
import { MAX_CHUNK_TOKENS, parseGenerationId, parseOrg, parseSessionId } from '@sluice/protocol';
import type { GenerationKey, StoredRecord, TokenRecord } from '@sluice/protocol';
import { Queue } from '@sluice/testkit';
import { readChain, tokensOf } from '../src/index.ts';
import type { Bus, StoredItem, TailListener } from '../src/index.ts';
import { backends, newKey } from './world.ts';
import type { World } from './world.ts';

type Seen =
  | { readonly kind: 'record'; readonly generation: string; readonly record: TokenRecord }
  | { readonly kind: 'item'; readonly item: StoredItem };

const listenerOf = (seen: Queue<Seen>): TailListener => ({
  record: (generation, record) => seen.push({ kind: 'record', generation, record }),
  item: (item) => seen.push({ kind: 'item', item }),
});

const draftOf = (text: string, expected = 0) => ({
  ...new ChunkWriter(1).draft([text], 1).draft,
  expected,
});

const appendOk = async (bus: Bus, key: GenerationKey, text: string, expected = 0): Promise<number> => {
  const outcome = await bus.tokens.append(key, draftOf(text, expected));
  if (outcome.type !== 'stored') throw new Error(`expected stored, got ${JSON.stringify(outcome)}`);
  return outcome.sequence;
};

const texts = (count: number): string[] => Array.from({ length: count }, (_, n) => `${n} `);

type WriteOptions = { readonly writer?: ChunkWriter; readonly change?: (draft: Draft) => Draft };

/** Writes the tokens in as few records as there can be. @returns the head */
const write = async (
  bus: Bus,
  key: GenerationKey,
  tokens: readonly string[],
  { writer = new ChunkWriter(1), change = (draft) => draft }: WriteOptions = {},
): Promise<StoredRecord> => {
  for (let written = 0; written < tokens.length;) {
    const { draft, taken } = writer.draft(tokens.slice(written, written + MAX_CHUNK_TOKENS), 1);
    const outcome = await bus.tokens.append(key, change(draft));
    if (outcome.type !== 'stored') throw new Error(`expected stored, got ${JSON.stringify(outcome)}`);
    writer.stored(outcome.sequence);
    written += taken;
  }
  const head = await bus.tokens.head(key);
  if (head === undefined) throw new Error('expected a head, got none');
  return head;
};

const message = (id: string, text = 'hello') =>
  ({ id, kind: 'message', user: 'u', createdAt: 1, text }) as const;

describe.each(backends)('TokenLog on $name', ({ start }) => {
  let world: World;
  let bus: Bus;
  let other: Bus;
  beforeAll(async () => {
    world = await start();
    [bus, other] = await Promise.all([world.open(), world.open()]);
  });
  afterAll(() => world.stop());

  test('a log that is empty has no head', async () => {
    expect(await bus.tokens.head(newKey())).toBeUndefined();
  });

  test('the newest of a session is what was stored last in any of its logs', async () => {
    const key = newKey();
    expect(await bus.tokens.newest(key)).toBe(0);
    await appendOk(bus, key, 'a');
    const last = await appendOk(other, { ...key, generation: newKey().generation }, 'b');
    await appendOk(bus, newKey(), 'of another session');
    expect(await bus.tokens.newest(key)).toBe(last);
  });

  test('the first record expects sequence 0, each later one its predecessor', async () => {
    const key = newKey();
    const first = await appendOk(bus, key, 'a');
    const second = await appendOk(bus, key, 'b', first);
    expect(second).toBeGreaterThan(first);
    expect(await bus.tokens.head(key)).toMatchObject({ sequence: second, record: { tokens: ['b'] } });
  });

  test('a record that expects another predecessor is refused and leaves the log as it was', async () => {
    const key = newKey();
    expect(await bus.tokens.append(key, draftOf('x', 99_999))).toEqual({ type: 'wrong_sequence' });
    expect(await bus.tokens.head(key)).toBeUndefined();
    const first = await appendOk(bus, key, 'a');
    for (const expected of [0, first + 1])
      expect(await bus.tokens.append(key, draftOf('x', expected))).toEqual({ type: 'wrong_sequence' });
    expect(await bus.tokens.head(key)).toMatchObject({ sequence: first, record: { tokens: ['a'] } });
  });

  test('of 20 workers that append after the same record exactly one succeeds', async () => {
    const key = newKey();
    const first = await appendOk(bus, key, 'a');
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, n) => (n % 2 ? bus : other).tokens.append(key, draftOf(`${n}`, first))),
    );
    expect(outcomes.filter(({ type }) => type === 'stored')).toHaveLength(1);
    expect(outcomes.filter(({ type }) => type === 'wrong_sequence')).toHaveLength(19);
  });

  test('of 20 workers that append after the same record, to its chunk or the next, exactly one succeeds', async () => {
    for (let round = 0; round < 20; round += 1) {
      const key = newKey();
      const first = await appendOk(bus, key, 'a');
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, (_, n) =>
          (n % 2 ? bus : other).tokens.append(key, { ...draftOf(`${n}`, first), chunk: n % 3 === 0 ? 0 : 1 }),
        ),
      );
      const won = outcomes.filter(({ type }) => type === 'stored');
      expect(won).toHaveLength(1);
      expect(outcomes.filter(({ type }) => type === 'wrong_sequence')).toHaveLength(19);
      expect(await bus.tokens.head(key)).toMatchObject({
        sequence: (won[0] as { sequence: number }).sequence,
      });
    }
  });

  test('a record of an earlier chunk is as much a record: the next expects it, and it is the head', async () => {
    const key = newKey();
    const sequence = await appendOk(bus, key, 'a');
    const next = await bus.tokens.append(key, { ...draftOf('b', sequence), chunk: 1 });
    if (next.type !== 'stored') throw new Error(next.type);
    expect(await bus.tokens.append(key, draftOf('c', sequence))).toEqual({ type: 'wrong_sequence' });
    const rewritten = await appendOk(bus, key, 'c', next.sequence);
    expect(await other.tokens.head(key)).toMatchObject({ sequence: rewritten, chunk: 0 });
  });

  test('the chunks before one are read up to it, as many as asked for', async () => {
    const key = newKey();
    const head = await write(bus, key, texts(4 * MAX_CHUNK_TOKENS + 1));
    expect(head).toMatchObject({ chunk: 4, record: { base: 128 } });
    const found = await other.tokens.before(key, head, 3);
    expect(found.map(({ chunk, record }) => [chunk, record.base])).toEqual([
      [1, 32],
      [2, 64],
      [3, 96],
    ]);
    for (const { record } of found) expect(record.tokens).toHaveLength(MAX_CHUNK_TOKENS);
    expect(await other.tokens.before(key, found[0] as StoredRecord, 10)).toMatchObject([{ chunk: 0 }]);
    expect(await other.tokens.before(key, { ...head, chunk: 0 }, 10)).toEqual([]);
  });

  test('chunks are read in their own generation, session and org only', async () => {
    const key = newKey();
    const head = await write(bus, key, texts(MAX_CHUNK_TOKENS + 1));
    const foreign = [
      { ...key, generation: parseGenerationId('another') },
      { ...key, session: parseSessionId('another') },
      { ...key, org: parseOrg('another') },
    ];
    for (const stranger of foreign) {
      expect(await bus.tokens.before(stranger, head, 1)).toEqual([]);
      expect(await bus.tokens.head(stranger)).toBeUndefined();
    }
  });

  test('a chunk that is missing ends what leads up to the one asked for', async () => {
    const key = newKey();
    const gap = (draft: Draft): Draft => ({
      ...draft,
      chunk: draft.chunk < 2 ? draft.chunk : draft.chunk + 1,
    });
    const head = await write(bus, key, texts(4 * MAX_CHUNK_TOKENS + 1), { change: gap });
    expect((await bus.tokens.before(key, head, 5)).map(({ chunk }) => chunk)).toEqual([3, 4]);
    expect(await readChain(bus.tokens, key, head, 0)).toMatchObject({ complete: false });
    expect(await readChain(bus.tokens, key, head, 64)).toMatchObject({ complete: true });
  });

  test('a text that started again is read from its new beginning, and the one before stays', async () => {
    const key = newKey();
    const old = await write(bus, key, texts(40));
    const head = await write(bus, key, texts(70), { writer: new ChunkWriter(2, 1, old) });
    expect(head).toMatchObject({ chunk: 4, record: { epoch: 1, base: 64 } });
    const chain = await readChain(other.tokens, key, head, 0);
    expect(chain.complete).toBe(true);
    expect(tokensOf(chain)).toEqual(texts(70));
    expect(await other.tokens.before(key, old, 1)).toMatchObject([{ chunk: 0, record: { epoch: 0 } }]);
  });

  test('a text of more chunks than NATS lists at once is read whole, from any position', async () => {
    const key = newKey();
    const all = texts(1_100 * MAX_CHUNK_TOKENS);
    const head = await write(bus, key, all);
    expect(await other.tokens.head(key)).toEqual(head);
    expect(head.chunk).toBe(1_099);
    const chain = await readChain(other.tokens, key, head, 0);
    expect(chain.complete).toBe(true);
    expect(tokensOf(chain)).toEqual(all);
    const late = await readChain(other.tokens, key, head, 35_000);
    expect(late.complete).toBe(true);
    expect(late.records[0]?.base).toBe(34_976);
  }, 30_000);

  test('a tail gets the records and items of its session, in order, from every publisher', async () => {
    const key = newKey();
    const seen = new Queue<Seen>();
    const tail = await bus.tokens.tail(key, listenerOf(seen));
    const rev = await other.sessions.createItem(key, message('m'));
    let last = 0;
    for (let n = 0; n < 50; n += 1) last = await appendOk(other, key, `${n}`, last);
    const item = await seen.next();
    expect(item).toEqual({ kind: 'item', item: { rev, item: message('m') } });
    for (let n = 0; n < 50; n += 1)
      expect(await seen.next()).toMatchObject({
        kind: 'record',
        generation: key.generation,
        record: { tokens: [`${n}`] },
      });
    tail.close();
  });

  test('a tail gets nothing of other sessions and other orgs', async () => {
    const key = newKey();
    const seen = new Queue<Seen>();
    const tail = await bus.tokens.tail(key, listenerOf(seen));
    const sameSession = { ...newKey(), session: key.session };
    const sameOrg = { ...newKey(), org: key.org };
    for (const stranger of [sameSession, sameOrg]) {
      await appendOk(other, stranger, 'foreign');
      await other.sessions.createItem(stranger, message('foreign'));
    }
    await appendOk(other, key, 'own');
    expect(await seen.next()).toMatchObject({ record: { tokens: ['own'] } });
    expect(seen.size).toBe(0);
    tail.close();
  });

  test('after close a tail gets nothing, and its neighbours go on', async () => {
    const key = newKey();
    const [closed, open] = [new Queue<Seen>(), new Queue<Seen>()];
    const tail = await bus.tokens.tail(key, listenerOf(closed));
    const neighbour = await bus.tokens.tail(key, listenerOf(open));
    const first = await appendOk(bus, key, 'a');
    await closed.next();
    tail.close();
    tail.close();
    await appendOk(bus, key, 'b', first);
    expect(
      await open.takeUntil((seen) => seen.kind === 'record' && seen.record.tokens[0] === 'b'),
    ).toHaveLength(2);
    expect(closed.size).toBe(0);
    neighbour.close();
  });

  test('what is seen live is stored already', async () => {
    const key = newKey();
    const seen = new Queue<Seen>();
    const tail = await other.tokens.tail(key, listenerOf(seen));
    let last = 0;
    for (let n = 0; n < 50; n += 1) {
      const appended = appendOk(bus, key, `${n}`, last);
      const live = await seen.next();
      const head = await other.tokens.head(key);
      expect(live).toMatchObject({ record: head?.record });
      last = await appended;
    }
    tail.close();
  });

  test('ids of 64 characters fit', async () => {
    const long = (char: string): string => char.repeat(64);
    const key = {
      org: parseOrg(long('o')),
      session: parseSessionId(long('s')),
      generation: parseGenerationId(long('g')),
    };
    const seen = new Queue<Seen>();
    const tail = await bus.tokens.tail(key, listenerOf(seen));
    const sequence = await appendOk(other, key, 'a');
    expect(await seen.next()).toMatchObject({ generation: key.generation });
    expect((await bus.tokens.head(key))?.sequence).toBe(sequence);
    await bus.sessions.createItem(key, message(long('i')));
    expect(await seen.next()).toMatchObject({ kind: 'item' });
    expect((await bus.sessions.items(key, 0)).items).toHaveLength(1);
    tail.close();
  });
});
