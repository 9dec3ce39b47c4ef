import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { MAX_CHUNK_TOKENS, MAX_RECORD_BYTES, MAX_TOKEN_BYTES, headOf, parseRecord } from '@sluice/protocol';
import type { StoredRecord, Token } from '@sluice/protocol';
import { ChunkWriter, isSameRecord } from '../src/index.ts';
import { anyEnd, anyTokens } from './any-token.ts';
import { ModelLog, writeAll } from './model-log.ts';

const anyGroups = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 8 });

const store = (
  log: ModelLog,
  writer: ChunkWriter,
  ...args: Parameters<ChunkWriter['draft']>
): StoredRecord => {
  const stored = log.append(writer.draft(...args).draft);
  if (stored === undefined) throw new Error('refused');
  writer.stored(stored.sequence);
  return stored;
};

describe('records', () => {
  test('hold at most 32 tokens, tile the text, and are read back from the newest', () => {
    fc.assert(
      fc.property(anyTokens(150), anyGroups, fc.nat({ max: 3 }), (tokens, groups, gap) => {
        const log = new ModelLog();
        log.skip(gap);
        writeAll(log, new ChunkWriter(1), tokens, groups);
        let head = 0;
        for (const { record } of log.records) {
          expect(record.tokens.length).toBeLessThanOrEqual(MAX_CHUNK_TOKENS);
          expect(record.base).toBeLessThanOrEqual(head);
          expect(headOf(record)).toBeGreaterThan(head);
          head = headOf(record);
        }
        expect(log.tokens(0)).toEqual(tokens);
        if (log.head === undefined) return;
        const { chunks, complete } = log.read(log.head, 0);
        expect(complete).toBe(true);
        expect(chunks.flatMap(({ record }) => record.tokens)).toEqual(tokens);
      }),
      { numRuns: 1_000 },
    );
  });

  test('number their chunks from 0, one after the other', () => {
    const log = new ModelLog();
    const tokens = Array.from({ length: 70 }, (_, i) => `t${i}`);
    writeAll(log, new ChunkWriter(1), tokens, [5]);
    expect([...log.chunks].map(([chunk, { record }]) => [chunk, record.base, headOf(record)])).toEqual([
      [0, 0, 32],
      [1, 32, 64],
      [2, 64, 70],
    ]);
  });

  test('are the same whether one attempt writes them or each is continued from the head by the next', () => {
    fc.assert(
      fc.property(anyTokens(100), anyGroups, fc.nat({ max: 100 }), (tokens, groups, cut) => {
        const straight = new ModelLog();
        writeAll(straight, new ChunkWriter(1), tokens, groups);
        const handed = new ModelLog();
        writeAll(handed, new ChunkWriter(1), tokens.slice(0, cut), groups);
        const second = new ChunkWriter(2, 0, handed.head);
        const claim = store(handed, second, [], 2);
        expect(claim.record.attempt).toBe(2);
        expect(headOf(claim.record)).toBe(Math.min(cut, tokens.length));
        writeAll(handed, second, tokens.slice(cut), groups);
        expect(handed.tokens(0)).toEqual(straight.tokens(0));
        expect(second.head).toBe(tokens.length);
        expect(handed.read(handed.head as StoredRecord, 0).complete).toBe(true);
        expect(handed.chunks.size).toBe(straight.chunks.size || 1);
      }),
      { numRuns: 1_000 },
    );
  });

  test('that begin a chunk carry the last record of the one before, and no others do', () => {
    const log = new ModelLog();
    const writer = new ChunkWriter(1);
    writeAll(
      log,
      writer,
      Array.from({ length: MAX_CHUNK_TOKENS }, (_, n) => `${n}`),
      [10],
    );
    const full = log.head as StoredRecord;
    expect(writer.draft([], 1).draft.closed).toBeUndefined();
    const { closed } = writer.draft(['next'], 1).draft;
    expect(closed?.chunk).toBe(0);
    expect(parseRecord(closed?.payload ?? '')).toEqual(full.record);
    // It has stored nothing itself yet: its claim comes first.
    expect(new ChunkWriter(2, 0, full).draft(['next'], 1).draft.closed).toBeUndefined();
  });

  test('of a restart begin at zero in the new epoch, in the next chunk, and expect the old head', () => {
    const log = new ModelLog();
    writeAll(log, new ChunkWriter(1), ['a', 'b'], [1]);
    const writer = new ChunkWriter(2, 1, log.head);
    const stored = store(log, writer, ['x'], 1);
    expect(stored.chunk).toBe(1);
    expect(stored.record).toMatchObject({ epoch: 1, attempt: 2, base: 0, tokens: ['x'] });
    expect(log.tokens(0)).toEqual(['a', 'b']);
    expect(log.chunks.get(0)?.record).toMatchObject({ epoch: 0, tokens: ['a', 'b'] });
  });
});

describe('size', () => {
  const hostile = '\u0001'.repeat(MAX_TOKEN_BYTES);

  test('stays below the limit in bytes even when every token is the largest and escapes worst', () => {
    const log = new ModelLog();
    const tokens: Token[] = [
      hostile,
      'small',
      { kind: 'reasoning', text: hostile },
      '€'.repeat(5_000),
      hostile,
    ];
    writeAll(log, new ChunkWriter(1), tokens, [5]);
    expect(log.tokens(0)).toEqual(tokens);
    const writer = new ChunkWriter(2, 0, log.head);
    const { draft } = writer.draft(
      Array.from({ length: 40 }, () => hostile),
      1,
    );
    expect(Buffer.byteLength(draft.payload)).toBeLessThanOrEqual(MAX_RECORD_BYTES);
  });

  test('closes a chunk early, so that large tokens are not repeated 32 times', () => {
    const writer = new ChunkWriter(1);
    expect(
      writer.draft(
        Array.from({ length: 40 }, () => hostile),
        1,
      ).taken,
    ).toBe(1);
    expect(
      writer.draft(
        Array.from({ length: 40 }, () => 'x'.repeat(4_200)),
        1,
      ).taken,
    ).toBe(2);
  });

  test('is counted in UTF-8 bytes: a token of fewer characters but more bytes is refused', () => {
    const writer = new ChunkWriter(1);
    const tooLarge = '€'.repeat(400_000);
    expect(tooLarge.length).toBeLessThan(MAX_RECORD_BYTES);
    expect(() => writer.draft([tooLarge], 1)).toThrow(RangeError);
  });

  test('refused leaves the writer as it was', () => {
    const log = new ModelLog();
    const writer = new ChunkWriter(1);
    writeAll(log, writer, ['a'], [1]);
    expect(() => writer.draft(['x'.repeat(MAX_RECORD_BYTES)], 1)).toThrow(RangeError);
    expect(() => writer.stored(99)).toThrow(TypeError);
    expect(writer.head).toBe(1);
    store(log, writer, ['b'], 1);
    expect(log.tokens(0)).toEqual(['a', 'b']);
  });
});

describe('draft', () => {
  test('changes nothing until stored, so drafting the same again gives the same record', () => {
    fc.assert(
      fc.property(
        anyTokens(50),
        anyTokens(10),
        fc.option(anyEnd, { nil: undefined }),
        (before, next, end) => {
          const log = new ModelLog();
          const writer = new ChunkWriter(1);
          writeAll(log, writer, before, [7]);
          const first = writer.draft(next, 1, end);
          writer.draft([...next, 'another'], 1);
          expect(writer.head).toBe(before.length);
          expect(writer.draft(next, 1, end)).toEqual(first);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test('carries the end only once nothing is left to take', () => {
    fc.assert(
      fc.property(anyTokens(80), anyEnd, (tokens, end) => {
        const log = new ModelLog();
        const writer = new ChunkWriter(1);
        let left: readonly Token[] = tokens;
        for (;;) {
          const { draft, taken } = writer.draft(left, 1, end);
          left = left.slice(taken);
          writer.stored((log.append(draft) as StoredRecord).sequence);
          expect(draft.final).toBe(left.length === 0);
          expect(log.head?.record.end).toEqual(draft.final ? end : undefined);
          if (draft.final) break;
        }
        expect(log.tokens(0)).toEqual(tokens);
      }),
      { numRuns: 1_000 },
    );
  });

  test('of a claim on a full chunk repeats it and opens no new one', () => {
    const log = new ModelLog();
    const tokens = Array.from({ length: MAX_CHUNK_TOKENS }, (_, i) => `${i}`);
    writeAll(log, new ChunkWriter(1), tokens, [32]);
    const writer = new ChunkWriter(2, 0, log.head);
    const claim = store(log, writer, [], 1);
    expect(claim).toMatchObject({ chunk: 0, record: { base: 0, attempt: 2, tokens } });
    expect(store(log, writer, ['next'], 1)).toMatchObject({ chunk: 1, record: { base: 32 } });
  });

  test('confirmed twice, or never made, is a programmer error', () => {
    const writer = new ChunkWriter(1);
    expect(() => writer.stored(1)).toThrow(TypeError);
    writer.draft(['a'], 1);
    writer.stored(1);
    expect(() => writer.stored(2)).toThrow(TypeError);
  });
});

describe('a log that must not be continued', () => {
  const headWith = (change: Partial<StoredRecord['record']>): StoredRecord => ({
    sequence: 7,
    chunk: 2,
    record: { v: 2, epoch: 1, attempt: 3, base: 0, at: 1, tokens: ['a'], ...change },
  });

  test('is one whose head a newer attempt wrote: a claim would fence the one that fences us', () => {
    expect(() => new ChunkWriter(2, 1, headWith({}))).toThrow(TypeError);
    expect(new ChunkWriter(3, 1, headWith({})).head).toBe(1);
  });

  test('is one in a later epoch', () => {
    expect(() => new ChunkWriter(4, 0, headWith({}))).toThrow(TypeError);
  });

  test('is one that has its end, whoever wrote it', () => {
    const ended = headWith({ end: { reason: 'stop' } });
    expect(() => new ChunkWriter(4, 1, ended).draft([], 1)).toThrow(TypeError);
    expect(() => new ChunkWriter(4, 2, ended).draft(['a'], 1)).toThrow(TypeError);
    const writer = new ChunkWriter(1);
    writer.draft(['a'], 1, { reason: 'stop' });
    writer.stored(1);
    expect(() => writer.draft(['b'], 1)).toThrow(TypeError);
  });
});

test('isSameRecord tells our stored record from every other', () => {
  const { draft } = new ChunkWriter(1).draft(['a', 'b'], 1);
  const ours = { sequence: 1, chunk: 0, record: parseRecord(draft.payload) };
  expect(isSameRecord(draft, ours)).toBe(true);
  expect(isSameRecord(draft, { ...ours, chunk: 1 })).toBe(false);
  for (const change of [
    { attempt: 2 },
    { epoch: 1 },
    { tokens: ['a'] },
    { end: { reason: 'stop' as const } },
  ])
    expect(isSameRecord(draft, { ...ours, record: { ...ours.record, ...change } })).toBe(false);
});
