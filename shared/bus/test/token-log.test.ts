import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ChunkWriter } from '@sluice/core';
import { parseGenerationId, parseOrg, parseSessionId } from '@sluice/protocol';
import type { GenerationKey, TokenRecord } from '@sluice/protocol';
import { Queue } from '@sluice/testkit';
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

  test('a record is read by its sequence, but only in its own generation, session and org', async () => {
    const key = newKey();
    const sequence = await appendOk(bus, key, 'a');
    expect(await other.tokens.at(key, sequence)).toMatchObject({ sequence, record: { tokens: ['a'] } });
    const foreign = [
      { ...key, generation: parseGenerationId('another') },
      { ...key, session: parseSessionId('another') },
      { ...key, org: parseOrg('another') },
    ];
    for (const stranger of foreign) expect(await bus.tokens.at(stranger, sequence)).toBeUndefined();
    expect(await bus.tokens.at(key, sequence + 1_000_000)).toBeUndefined();
  });

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
