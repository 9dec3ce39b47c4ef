import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { MAX_CHUNK_TOKENS } from '@sluice/protocol';
import type { StoredRecord, Token, TokenRecord } from '@sluice/protocol';
import { ChunkWriter, GenerationBuffer, chunksMissing, linkedBefore } from '../src/index.ts';
import { anyTokens } from './any-token.ts';
import { ModelLog, writeAll } from './model-log.ts';

/** Two of them close a chunk. */
const LARGE = 'x'.repeat(4_200);
const anyText = fc.oneof(
  anyTokens(150),
  fc.array(fc.constantFrom<Token>('a', LARGE), { maxLength: 60 }),
  fc.array(fc.constant<Token>(LARGE.repeat(2)), { maxLength: 60 }),
);
const anyGroup = fc.integer({ min: 1, max: 40 });
const anyMost = fc.integer({ min: 1, max: 8 });

const written = (tokens: readonly Token[], group = 7): ModelLog => {
  const log = new ModelLog();
  writeAll(log, new ChunkWriter(1), tokens, [group]);
  return log;
};

const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => `${i} `);
const headOfLog = (log: ModelLog): StoredRecord => log.head as StoredRecord;

describe('a replay', () => {
  test('from any position finds the chunks that tile (from, head], and reads none twice', () => {
    fc.assert(
      fc.property(anyText, anyGroup, anyMost, fc.nat(), (tokens, group, most, at) => {
        fc.pre(tokens.length > 0);
        const log = written(tokens, group);
        const from = at % (tokens.length + 1);
        const { chunks, complete, asked } = log.read(headOfLog(log), from, most);
        expect(complete).toBe(true);
        const buffer = new GenerationBuffer(0, from);
        for (const { record } of chunks) expect(buffer.apply(record)).not.toBe('hole');
        expect(buffer.head).toBe(tokens.length);
        const missed = [...log.chunks.values()].filter(({ record }) => record.base > from).length;
        expect(chunks.length).toBeGreaterThan(missed);
        expect(asked.reduce((sum, count) => sum + count, 0)).toBe(chunks.length - 1);
      }),
      { numRuns: 1_000 },
    );
  });

  test('reads nothing when the newest record reaches back far enough, or the position is ahead', () => {
    const log = written(numbers(40));
    const newest = headOfLog(log);
    for (const from of [32, 33, 40, 1_000])
      expect(log.read(newest, from)).toEqual({ chunks: [newest], complete: true, asked: [] });
  });

  test('asks for full chunks at once, and again where large tokens closed them early', () => {
    const small = written(numbers(MAX_CHUNK_TOKENS * 5 + 1));
    expect(small.read(headOfLog(small), 0, 256).asked).toEqual([5]);
    expect(small.read(headOfLog(small), MAX_CHUNK_TOKENS * 2, 256).asked).toEqual([3]);
    const large = written(Array.from({ length: 81 }, () => LARGE));
    expect(large.chunks.size).toBe(41);
    const { asked, complete } = large.read(headOfLog(large), 0, 256);
    expect(complete).toBe(true);
    expect(asked[0]).toBe(3);
  });

  test('ends incomplete, with what is left, when retention took a chunk it needs', () => {
    fc.assert(
      fc.property(anyText, anyGroup, anyMost, fc.nat(), (tokens, group, most, at) => {
        const log = written(tokens, group);
        fc.pre(log.chunks.size > 1);
        const lost = at % (log.chunks.size - 1);
        const kept = new ModelLog();
        kept.records.push(...log.records.filter(({ chunk }) => chunk !== lost));
        const { chunks, complete } = kept.read(headOfLog(log), 0, most);
        expect(complete).toBe(false);
        const left = Array.from({ length: log.chunks.size - lost - 1 }, (_, index) => lost + 1 + index);
        expect(chunks.map(({ chunk }) => chunk)).toEqual(left);
      }),
      { numRuns: 500 },
    );
  });

  test('takes the chunks of the epoch of the newest, though their numbers go on from those before', () => {
    fc.assert(
      fc.property(
        fc.array(anyText, { minLength: 1, maxLength: 4 }),
        anyGroup,
        anyMost,
        (texts, group, most) => {
          const log = new ModelLog();
          texts.forEach((tokens, epoch) => {
            const writer = new ChunkWriter(epoch + 1, epoch, log.head);
            const claim = log.append(writer.draft([], 1).draft) as StoredRecord;
            writer.stored(claim.sequence);
            writeAll(log, writer, tokens, [group]);
          });
          const { chunks, complete } = log.read(headOfLog(log), 0, most);
          expect(complete).toBe(true);
          expect(chunks.flatMap(({ record }) => record.tokens)).toEqual(texts.at(-1));
          expect([...log.chunks.keys()]).toEqual([...log.chunks.keys()].map((_, index) => index));
        },
      ),
      { numRuns: 500 },
    );
  });

  test('ends whatever the stream holds', () => {
    const anyStored = fc.record({
      sequence: fc.nat(20),
      chunk: fc.nat(6),
      record: fc.record({
        ...{ v: fc.constant(2 as const), epoch: fc.nat(1), attempt: fc.constant(1), at: fc.constant(1) },
        ...{ base: fc.nat(40), tokens: fc.array(fc.constant('a'), { maxLength: 33 }) },
      }),
    });
    fc.assert(
      fc.property(
        fc.array(anyStored, { maxLength: 12 }),
        anyStored,
        fc.nat(80),
        anyMost,
        (found, newest, from, most) => {
          const log = new ModelLog();
          log.records.push(...found);
          const { chunks, complete } = log.read(newest, from, most);
          expect(chunks.length).toBeLessThanOrEqual(newest.chunk + 1);
          expect(complete).toBe((chunks[0] as StoredRecord).record.base <= from);
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe('how many chunks are missing', () => {
  const at = (chunk: number, base: number): StoredRecord => ({
    ...{ sequence: 9, chunk },
    record: { v: 2, epoch: 0, attempt: 1, base, at: 1, tokens: ['a'] },
  });

  test.each([
    ['none up to its base', at(3, 96), 96, 0],
    ['none where the position is ahead', at(3, 96), 500, 0],
    ['one for up to 32 tokens', at(3, 96), 64, 1],
    ['two for one token more', at(3, 96), 63, 2],
    ['never more than there are before it', at(1, 96), 0, 1],
    ['none before chunk 0, whatever its base says', at(0, 96), 0, 0],
  ])('%s', (_, oldest, from, count) => expect(chunksMissing(oldest, from)).toBe(count));
});

describe('a row of chunks ends', () => {
  const log = written(numbers(100));
  const [first, second, third] = [...log.chunks.values()] as [StoredRecord, StoredRecord, StoredRecord];
  const rowWith = (change: Partial<TokenRecord>): number[] => {
    const changed = { ...second, record: { ...second.record, ...change } };
    return linkedBefore(headOfLog(log), [first, changed, third]).map(({ chunk }) => chunk);
  };

  test('at its first chunk where every link holds', () => expect(rowWith({})).toEqual([0, 1, 2]));

  test.each<[string, Partial<TokenRecord>]>([
    ['of another epoch', { epoch: 1 }],
    ['with a hole before the next', { tokens: numbers(MAX_CHUNK_TOKENS - 1) }],
    ['that overlaps the next', { tokens: numbers(MAX_CHUNK_TOKENS + 1) }],
    ['with a shifted base', { base: 33 }],
    ['without tokens', { base: 64, tokens: [] }],
  ])('before a chunk %s', (_, change) => expect(rowWith(change)).toEqual([2]));

  test('before a chunk that is not there', () => {
    expect(linkedBefore(headOfLog(log), [first, third])).toEqual([third]);
    expect(linkedBefore(headOfLog(log), [first, second])).toEqual([]);
  });

  test('where a replica still has an earlier record of a chunk', () => {
    const earlier = log.records.find(({ chunk }) => chunk === 1) as StoredRecord;
    expect(linkedBefore(headOfLog(log), [first, earlier, third])).toEqual([third]);
  });
});
