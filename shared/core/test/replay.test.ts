import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { MAX_CHUNK_TOKENS } from '@sluice/protocol';
import type { StoredRecord, TokenRecord } from '@sluice/protocol';
import { ChunkWalk, ChunkWriter, GenerationBuffer } from '../src/index.ts';
import type { Walk } from '../src/index.ts';
import { anyTokens } from './any-token.ts';
import { ModelLog, writeAll } from './model-log.ts';

const written = (tokens: readonly string[]): ModelLog => {
  const log = new ModelLog();
  writeAll(log, new ChunkWriter(1), tokens, [7]);
  return log;
};

const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => `${i} `);
const headOfLog = (log: ModelLog): TokenRecord => (log.head as StoredRecord).record;

describe('a walk', () => {
  test('from any position finds records that tile (from, head], in one read per missed chunk', () => {
    fc.assert(
      fc.property(anyTokens(150), fc.integer({ min: 1, max: 40 }), fc.nat(), (tokens, group, at) => {
        fc.pre(tokens.length > 0);
        const log = new ModelLog();
        writeAll(log, new ChunkWriter(1), tokens, [group]);
        const from = at % (tokens.length + 1);
        const walk = new ChunkWalk(headOfLog(log), from);
        let reads = 0;
        let step = walk.next();
        for (; step.type === 'fetch'; reads += 1) step = walk.step(log.get(step.sequence));
        expect(step.type).toBe('complete');
        if (step.type !== 'complete') return;
        const buffer = new GenerationBuffer(0, from);
        for (const record of step.records) expect(buffer.apply(record)).not.toBe('hole');
        expect(buffer.head).toBe(tokens.length);
        const chunks = new Set(log.records.map(({ record }) => record.base));
        const missed = [...chunks].filter((base) => base > from).length;
        expect(reads).toBe(missed);
        expect(step.records.length).toBe(missed + 1);
      }),
      { numRuns: 1_000 },
    );
  });

  test('reads nothing when the newest record reaches back far enough, or the position is ahead', () => {
    const log = written(numbers(40));
    for (const from of [32, 33, 40, 1_000])
      expect(new ChunkWalk(headOfLog(log), from).next()).toEqual({
        type: 'complete',
        records: [headOfLog(log)],
      });
  });

  test('ends expired, with what is left, when retention took a chunk it needs', () => {
    const log = written(numbers(100));
    const walk = new ChunkWalk(headOfLog(log), 0);
    const first = walk.next() as Extract<Walk, { type: 'fetch' }>;
    expect(walk.step(log.get(first.sequence)).type).toBe('fetch');
    const end = walk.step(undefined);
    expect(end).toMatchObject({ type: 'expired', records: [{ base: 64 }, { base: 96 }] });
  });

  test('ends expired when the oldest chunk says nothing came before it but does not start at 0', () => {
    const record = { ...headOfLog(written(numbers(40))), prev: 0 };
    expect(new ChunkWalk(record, 0).next()).toEqual({ type: 'expired', records: [record] });
  });
});

describe('a broken link ends the walk', () => {
  const log = written(numbers(40));
  const stepWith = (change: Partial<TokenRecord>, sequence?: number): Walk['type'] => {
    const walk = new ChunkWalk(headOfLog(log), 0);
    const fetch = walk.next() as Extract<Walk, { type: 'fetch' }>;
    const { record } = log.get(fetch.sequence) as StoredRecord;
    return walk.step({ sequence: sequence ?? fetch.sequence, record: { ...record, ...change } }).type;
  };

  test('unless it holds', () => expect(stepWith({})).toBe('complete'));

  test.each<[string, Partial<TokenRecord>]>([
    ['another epoch', { epoch: 1 }],
    ['a hole before the next chunk', { tokens: numbers(MAX_CHUNK_TOKENS - 1) }],
    ['an overlap with the next chunk', { tokens: numbers(MAX_CHUNK_TOKENS + 1) }],
    ['a shifted base', { base: 1 }],
  ])('by %s', (_, change) => expect(stepWith(change)).toBe('expired'));

  test('by another record than the one asked for', () => expect(stepWith({}, 99_999)).toBe('expired'));

  test('by a record that links to itself: a walk never goes in circles', () => {
    const loop: StoredRecord = { sequence: 5, record: { ...headOfLog(log), base: 32, prev: 5, tokens: [] } };
    const walk = new ChunkWalk(loop.record, 0);
    expect(walk.next()).toEqual({ type: 'fetch', sequence: 5 });
    expect(walk.step(loop).type).toBe('expired');
  });
});
