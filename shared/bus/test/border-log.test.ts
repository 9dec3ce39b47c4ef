/** What is no record on a chunk's own subject: readers pass over it, and the fence stays closed. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ChunkWriter } from '@sluice/core';
import type { Draft } from '@sluice/core';
import type { GenerationKey } from '@sluice/protocol';
import { Queue } from '@sluice/testkit';
import { readChain, tokensOf } from '../src/index.ts';
import type { Bus, Chain, ForeignMessage, TailListener } from '../src/index.ts';
import { chunkSubject } from '../src/subjects.ts';
import { expectGarbageForeign, GARBAGE, openBorder } from './garbage.ts';
import { backends, newKey } from './world.ts';
import type { World } from './world.ts';

const draftOf = (text: string, expected = 0): Draft => ({
  ...new ChunkWriter(1).draft([text], 1).draft,
  expected,
});
const silent: TailListener = { record: () => undefined, item: () => undefined };

describe.each(backends)('A foreign message in a log on $name', ({ start }) => {
  let world: World;
  let bus: Bus;
  let other: Bus;
  let foreign: Queue<ForeignMessage>;
  beforeAll(async () => {
    ({ world, bus, other, foreign } = await openBorder(start));
  });
  afterAll(() => world.stop());

  const publishGarbage = (subject: string): Promise<void> =>
    expectGarbageForeign({ world, foreign }, 'record', subject);
  const append = async (key: GenerationKey, draft: Draft): Promise<number> => {
    const outcome = await other.tokens.append(key, draft);
    if (outcome.type !== 'stored') throw new Error(`expected it to be stored, got ${outcome.type}`);
    return outcome.sequence;
  };
  const drain = (): void => {
    while (foreign.size > 0) void foreign.next();
  };

  test('is passed over live, and the log goes on behind it', async () => {
    const key = newKey();
    const records = new Queue<{ readonly tokens: readonly unknown[] }>();
    const tail = await bus.tokens.tail(key, { ...silent, record: (_id, record) => records.push(record) });
    await publishGarbage(chunkSubject(0, key, 0));
    const first = await append(key, draftOf('a'));
    await publishGarbage(chunkSubject(0, key, 0));
    const second = await append(key, draftOf('b', first));
    expect((await records.next()).tokens).toEqual(['a']);
    expect((await records.next()).tokens).toEqual(['b']);
    expect(second).toBeGreaterThan(first);
    tail.close();
  });

  test('does not hide the newest record before it', async () => {
    const key = newKey();
    await world.publish(chunkSubject(0, key, 0), 'only garbage so far');
    expect(await bus.tokens.head(key)).toBeUndefined();
    const sequence = await append(key, draftOf('a'));
    for (const [index, text] of GARBAGE.entries()) await world.publish(chunkSubject(0, key, index + 1), text);
    expect(await bus.tokens.head(key)).toMatchObject({ sequence, record: { tokens: ['a'] } });
    drain();
  });

  test('does not open the fence: who has not seen the newest record is refused', async () => {
    const key = newKey();
    const first = await append(key, draftOf('a'));
    const second = await append(key, draftOf('b', first));
    await world.publish(chunkSubject(0, key, 1), '{}');
    expect(await bus.tokens.append(key, draftOf('late', first))).toEqual({ type: 'wrong_sequence' });
    expect(await bus.tokens.append(key, draftOf('late', 0))).toEqual({ type: 'wrong_sequence' });
    await append(key, draftOf('c', second));
    drain();
  });

  const tokens = (count: number): string[] => Array.from({ length: count }, (_, n) => `${n} `);
  /** Writes as a worker does, one record for as many tokens as fit. */
  const write = async (
    key: GenerationKey,
    writer: ChunkWriter,
    pending: readonly string[],
  ): Promise<void> => {
    for (let rest = pending; rest.length > 0;) {
      const { draft, taken } = writer.draft(rest, 1);
      writer.stored(await append(key, draft));
      rest = rest.slice(taken);
    }
  };
  const read = async (key: GenerationKey): Promise<Chain> => {
    const head = await bus.tokens.head(key);
    if (head === undefined) throw new Error('expected a head, got none');
    return readChain(bus.tokens, key, head, 0);
  };

  test('in place of the open chunk is replaced by the next record, which has all of it', async () => {
    const key = newKey();
    const writer = new ChunkWriter(1);
    await write(key, writer, tokens(40));
    await world.publish(chunkSubject(0, key, 1), '{}');
    expect(await bus.tokens.head(key)).toMatchObject({ chunk: 0 });
    await write(key, writer, ['40 ']);
    expect(await read(key)).toMatchObject({ complete: true });
    expect(tokensOf(await read(key))).toEqual(tokens(41));
    drain();
  });

  test('in place of a chunk that is full is replaced by that chunk before the next one begins', async () => {
    const key = newKey();
    const writer = new ChunkWriter(1);
    await write(key, writer, tokens(32));
    for (const chunk of [0, 1, 7]) await world.publish(chunkSubject(0, key, chunk), '{}');
    await write(key, writer, ['32 ']);
    expect(await read(key)).toMatchObject({ complete: true });
    expect(tokensOf(await read(key))).toEqual(tokens(33));
    drain();
  });

  test('does not make a writer that stored its chunk again fence itself', async () => {
    const key = newKey();
    const writer = new ChunkWriter(1);
    await write(key, writer, tokens(32));
    const { draft } = writer.draft(['32 '], 1);
    await world.publish(chunkSubject(0, key, 0), '{}');
    // By a try whose answer got lost.
    await world.publish(chunkSubject(0, key, 0), draft.closed?.payload ?? '');
    await append(key, draft);
    expect(tokensOf(await read(key))).toEqual(tokens(33));
    drain();
  });

  test('in place of a closed chunk ends what leads up to the next one', async () => {
    const key = newKey();
    const writer = new ChunkWriter(1);
    await write(key, writer, tokens(70));
    await world.publish(chunkSubject(0, key, 0), '{}');
    await write(key, writer, ['70 ']);
    expect(await read(key)).toMatchObject({ complete: false, records: [{ base: 32 }, { base: 64 }] });
    drain();
  });

  test('obscures the head until a record follows it', async () => {
    const key = newKey();
    expect(await bus.tokens.isObscured(key, undefined)).toBe(false);
    await world.publish(chunkSubject(0, key, 0), '{}');
    expect(await bus.tokens.isObscured(key, await bus.tokens.head(key))).toBe(true);
    const first = await append(key, draftOf('a'));
    expect(await bus.tokens.isObscured(key, await bus.tokens.head(key))).toBe(false);
    await world.publish(chunkSubject(0, key, 1), '{}');
    expect(await bus.tokens.isObscured(key, await bus.tokens.head(key))).toBe(true);
    await append(key, draftOf('b', first));
    expect(await bus.tokens.isObscured(key, await bus.tokens.head(key))).toBe(false);
    drain();
  });

  test('between any two records leaves all of them', async () => {
    const key = newKey();
    const publishing: Promise<void>[] = [];
    let expected = 0;
    for (let n = 0; n < 50; n += 1) {
      publishing.push(world.publish(chunkSubject(0, key, n % 3), '{}'));
      expected = await append(key, draftOf(`${n}`, expected));
    }
    await Promise.all(publishing);
    await append(key, draftOf('last', expected));
    expect((await bus.tokens.head(key))?.record.tokens).toEqual(['last']);
    drain();
  });
});
