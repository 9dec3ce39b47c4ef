import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { CLAUSES } from '../src/worker-check/clauses/index.ts';
import { ClauseFailure } from '../src/worker-check/clause-failure.ts';
import { demandContinued } from '../src/worker-check/continuation.ts';
import { breakBetween, firstBreak, flawOf } from '../src/worker-check/record-rules.ts';
import type { StoredGeneration } from '@sluice/core';
import type { TokenRecord } from '@sluice/protocol';

const page = readFileSync(new URL('../../../docs/WORKERS.md', import.meta.url), 'utf8');

test('the check has exactly the clauses of docs/WORKERS.md, in its order', () => {
  const headings = [...page.matchAll(/^### (W\d+) (.+)$/gm)].map(([, id, title]) => `${id} ${title}`);
  expect(CLAUSES.map(({ id, title }) => `${id} ${title}`)).toEqual(headings);
});

test('the clauses that the page refers to exist', () => {
  const known = new Set(CLAUSES.map(({ id }) => id));
  const named = page.match(/\bW\d+\b/g) ?? [];
  expect(named.filter((id) => !known.has(id))).toEqual([]);
});

const record = (fields: Partial<TokenRecord> = {}): TokenRecord => ({
  ...{ v: 2, epoch: 0, attempt: 1, base: 0, at: 1_790_000_000_000, tokens: ['a', 'b'] },
  ...fields,
});
const full = record({ tokens: Array.from({ length: 32 }, (_, index) => `${index}`) });

describe('records that are one log', () => {
  test.each<[string, readonly TokenRecord[]]>([
    ['a chunk that grows', [record(), record({ tokens: ['a', 'b', 'c'] })]],
    ['a chunk after a full one', [full, record({ base: 32, tokens: ['x'] })]],
    ['a claim', [record(), record({ attempt: 2 }), record({ attempt: 2, tokens: ['a', 'b', 'c'] })]],
    ['a new epoch', [record(), record({ attempt: 2, epoch: 1, tokens: [] })]],
    ['an end', [record(), record({ end: { reason: 'stop' } })]],
  ])('%s', (_what, records) => {
    expect(firstBreak(records)).toBeUndefined();
  });
});

describe('records that are not', () => {
  test.each<[string, TokenRecord | undefined, TokenRecord]>([
    ['an epoch that begins with base 3', undefined, record({ base: 3 })],
    ['a record after the end', record({ end: { reason: 'stop' } }), record({ epoch: 1, tokens: [] })],
    ['attempt 1 after 2', record({ attempt: 2 }), record()],
    ['epoch 0 after 1', record({ epoch: 1 }), record()],
    ['base 3 where 2 tokens are stored', record(), record({ base: 3 })],
    ['a record that does not repeat its chunk', record(), record({ tokens: ['a', 'x', 'c'] })],
    ['a record that does not repeat its chunk', record(), record({ tokens: ['a'] })],
  ])('%s', (what, before, next) => {
    expect(breakBetween(before, next)).toContain(what);
  });
});

test.each<[string, Partial<TokenRecord>]>([
  ['attempt 1, where the item says 2', {}],
  ['at 1790000000, which is no time in ms', { attempt: 2, at: 1_790_000_000 }],
  ['33 tokens in one chunk', { attempt: 2, tokens: Array.from({ length: 33 }, () => 'a') }],
  ['a token of more than 16384 bytes', { attempt: 2, tokens: ['ä'.repeat(8_193)] }],
])('a record is flawed: %s', (flaw, fields) => {
  expect(flawOf(record(fields), 2)).toBe(flaw);
});

describe('a text that goes on', () => {
  const stored = ['1 ', '2 ', '3 '];
  const logOf = (tokens: readonly string[]): readonly TokenRecord[] => [
    record({ tokens: stored }),
    record({ attempt: 2, tokens: stored }),
    record({ attempt: 2, tokens, end: { reason: 'cancelled' } }),
  ];
  const itemOf = (tokens: readonly string[]): StoredGeneration => ({
    ...{ id: 'g', kind: 'generation', user: 'ann', createdAt: 0, model: 'm', input: 'count' },
    ...{ governor: 'fastest', status: 'done', reason: 'cancelled', attempt: 2, epoch: 0 },
    ...{ text: tokens.join(''), seq: tokens.length },
  });

  test('is what was stored and what follows, in the log as in the item', () => {
    const tokens = [...stored, '4 ', '5 '];
    const found = demandContinued({ records: logOf(tokens), item: itemOf(tokens) }, stored.join(''));
    expect(found).toBe('it went on from the same token, to 5');
  });

  test.each([1, 2, 3, 4])('is none that forgot what was stored and has said %i tokens since', (count) => {
    const anew = Array.from({ length: count }, (_, index) => `${index + 1} `);
    const continued = { records: logOf([...stored, ...anew]), item: itemOf(anew) };
    expect(() => demandContinued(continued, stored.join(''))).toThrow(ClauseFailure);
  });
});
