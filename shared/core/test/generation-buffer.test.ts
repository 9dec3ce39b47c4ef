import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { kindOf, textOf } from '@sluice/protocol';
import type { Token, TokenRecord } from '@sluice/protocol';
import { GenerationBuffer } from '../src/index.ts';
import { anyTokens, callOf } from './any-token.ts';

const record = (tokens: readonly Token[], change: Partial<TokenRecord> = {}): TokenRecord => ({
  v: 2,
  epoch: 0,
  attempt: 1,
  base: 0,
  at: 1,
  tokens,
  ...change,
});

const filled = (...tokens: Token[]): GenerationBuffer => {
  const buffer = new GenerationBuffer();
  buffer.apply(record(tokens));
  return buffer;
};

const textAfter = (buffer: GenerationBuffer, from: number): unknown =>
  JSON.parse(`"${buffer.slice(from)?.text.toString('utf8') ?? ''}"`);

describe('apply', () => {
  test('takes only what is beyond the head, however records repeat and overlap', () => {
    const buffer = filled('a', 'b');
    expect(buffer.apply(record(['a', 'b', 'c'], { at: 2 }))).toBe('advanced');
    expect(buffer.apply(record(['a', 'b']))).toBe('unchanged');
    expect(buffer.apply(record(['c', 'd'], { base: 2, at: 3 }))).toBe('advanced');
    expect(textAfter(buffer, 0)).toBe('abcd');
    expect(buffer).toMatchObject({ base: 0, head: 4, at: 3, bytes: 4 });
  });

  test('refuses a record that starts after the head, and changes nothing', () => {
    const buffer = filled('a');
    expect(buffer.apply(record(['x'], { base: 2, end: { reason: 'stop' } }))).toBe('hole');
    expect(buffer.apply(record(['x'], { base: 2, epoch: 1 }))).toBe('hole');
    expect(buffer).toMatchObject({ epoch: 0, head: 1, end: undefined });
  });

  test('starts over with a later epoch, and ignores the earlier one from then on', () => {
    const buffer = filled('old');
    expect(buffer.apply(record([], { epoch: 1, attempt: 2 }))).toBe('restarted');
    expect(buffer).toMatchObject({ epoch: 1, base: 0, head: 0, attempt: 2 });
    expect(buffer.apply(record(['old', 'older']))).toBe('unchanged');
    buffer.apply(record(['new'], { epoch: 1, attempt: 2 }));
    expect(textAfter(buffer, 0)).toBe('new');
  });

  test('leaves slices of the text before a restart as they were', () => {
    const buffer = filled('old text');
    const slice = buffer.slice(0);
    buffer.apply(record(['NEW TEXT'], { epoch: 1 }));
    expect(slice?.text.toString()).toBe('old text');
  });

  test('notes a newer attempt of the same text without calling it news', () => {
    const buffer = filled('a');
    expect(buffer.apply(record(['a'], { attempt: 2, at: 9 }))).toBe('unchanged');
    expect(buffer).toMatchObject({ attempt: 2, at: 9, head: 1 });
    expect(buffer.apply(record(['a'], { attempt: 1, at: 3 }))).toBe('unchanged');
    expect(buffer).toMatchObject({ attempt: 2, at: 9 });
  });

  test('takes an end once, and nothing of that epoch after it', () => {
    const buffer = filled('a');
    expect(buffer.apply(record(['a'], { end: { reason: 'stop' } }))).toBe('advanced');
    expect(buffer.apply(record(['a'], { end: { reason: 'error' } }))).toBe('unchanged');
    expect(buffer.apply(record(['a', 'b'], { attempt: 2 }))).toBe('unchanged');
    expect(buffer).toMatchObject({ head: 1, end: { reason: 'stop' }, attempt: 1 });
  });

  test('of a buffer that starts later needs no older record', () => {
    const buffer = new GenerationBuffer(2, 64);
    expect(buffer.apply(record(['x'], { epoch: 2, base: 96 }))).toBe('hole');
    expect(buffer.apply(record(['a', 'b'], { epoch: 2, base: 63 }))).toBe('advanced');
    expect(buffer).toMatchObject({ base: 64, head: 65 });
    expect(textAfter(buffer, 64)).toBe('b');
    expect(buffer.slice(63)).toBeUndefined();
  });
});

test('a slice of a long text ends at a token, within its bound where one token is', () => {
  const buffer = new GenerationBuffer();
  const tokens = ['a'.repeat(200_000), 'b'.repeat(100_000), 'c'.repeat(500_000), 'd', 'e'];
  for (const [base, token] of tokens.entries()) buffer.apply(record([token], { base }));
  const ends: number[] = [];
  for (let from = 0; from < tokens.length; from = ends.at(-1) ?? 0) ends.push(buffer.slice(from)?.seq ?? 9);
  expect(ends).toEqual([1, 2, 3, 5]);
});

describe('slice', () => {
  test('of any tokens, from any seq, is their text up to where the kind or the call changes', () => {
    fc.assert(
      fc.property(anyTokens(40), fc.integer({ min: 1, max: 9 }), (tokens, group) => {
        const buffer = new GenerationBuffer();
        for (let base = 0; base < tokens.length; base += group)
          buffer.apply(record(tokens.slice(base, base + group), { base }));
        expect(buffer.head).toBe(tokens.length);
        for (let from = 0; from < tokens.length; from += 1) {
          const slice = buffer.slice(from);
          const held = tokens.slice(from, slice?.seq);
          const first = held[0] as Token;
          if (textAfter(buffer, from) !== held.map(textOf).join('')) throw new Error(`text after ${from}`);
          expect(slice?.kind).toBe(kindOf(first));
          const tool = callOf(first);
          if (slice?.tool !== tool) expect(slice?.tool).toEqual(tool);
        }
        expect(buffer.slice(tokens.length)).toBeUndefined();
      }),
      { numRuns: 1_000 },
    );
  });

  test('names a call by id only in the slice that holds its first piece', () => {
    const piece = (text: string, tool: { index: number; id?: string; name?: string }): Token => ({
      kind: 'tool_call',
      text,
      tool,
    });
    const buffer = filled(
      piece('{"a"', { index: 0, id: 'call_1', name: 'find' }),
      piece(':1}', { index: 0 }),
      piece('{}', { index: 1, id: 'call_2', name: 'stop' }),
    );
    expect(buffer.slice(0)).toMatchObject({ seq: 2, tool: { index: 0, id: 'call_1', name: 'find' } });
    expect(buffer.slice(1)?.tool).toEqual({ index: 0 });
    expect(buffer.slice(2)?.tool).toEqual({ index: 1, id: 'call_2', name: 'stop' });
  });

  test('counts a tool call that names none as call 0', () => {
    const call = (text: string, index?: number): Token => ({
      kind: 'tool_call',
      text,
      ...(index === undefined ? {} : { tool: { index } }),
    });
    const buffer = filled(call('a'), call('b', 0), call('c', 1), call('d'));
    expect([0, 2, 3].map((from) => buffer.slice(from)?.seq)).toEqual([2, 3, 4]);
  });

  test('starts a new one where a later piece brings the name, so that it is not lost', () => {
    const buffer = filled(
      { kind: 'tool_call', text: '', tool: { index: 0, id: 'call_1' } },
      { kind: 'tool_call', text: '', tool: { index: 0, name: 'find' } },
    );
    expect(buffer.slice(0)?.seq).toBe(1);
    expect(buffer.slice(1)?.tool).toEqual({ index: 0, name: 'find' });
  });

  test('keeps a surrogate pair that was torn between two tokens', () => {
    expect(textAfter(filled('\ud83d', '\ude00'), 0)).toBe('😀');
  });

  /** Each run looked for along all the others would take 20 s. */
  test('is found at once, however many kinds have alternated', () => {
    const runs = 200_000;
    const tokens = Array.from({ length: runs }, (_, i): Token =>
      i % 2 === 0 ? 'a' : { kind: 'reasoning', text: 'b' },
    );
    const buffer = filled();
    buffer.apply(record(tokens));
    const startedAt = performance.now();
    let found = 0;
    for (let from = 0; from < runs; from += 1) if (buffer.slice(from)?.seq === from + 1) found += 1;
    expect(found).toBe(runs);
    expect(performance.now() - startedAt).toBeLessThan(3_000);
  }, 60_000);

  test('stays valid while the buffer grows', () => {
    const buffer = filled('first');
    const slice = buffer.slice(0);
    buffer.apply(record(['x'.repeat(100_000)], { base: 1 }));
    expect(slice?.text.toString()).toBe('first');
  });
});
