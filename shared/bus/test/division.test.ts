/** What of an item is in its message, whatever an engine or a person says. */
import { describe, expect, test } from '@jest/globals';
import type { StoredGeneration } from '@sluice/core';
import type { BodyRef } from '@sluice/protocol';
import fc from 'fast-check';
import {
  beginningOf,
  divideItem,
  dividePrompt,
  encodedBytes,
  MAX_ITEM_BYTES,
} from '../src/bodies/division.ts';
import type { LooseBody, Refs } from '../src/bodies/division.ts';
import type { ItemBody, PromptEntry } from '../src/index.ts';

/** Pieces that take from one byte to six in JSON, torn surrogates among them. */
const piece = fc.constantFrom('a', '\n', '\u0000', '"', '\\', 'é', '☃', '😀', '\ud83d', '\ude00');
/** Of any length around the bounds. */
const anyText = fc
  .tuple(fc.array(piece, { maxLength: 8 }), fc.constantFrom(0, 1, 100, 1_000, 5_000, 20_000))
  .map(([pieces, times]) => pieces.join('').repeat(times));
const maybe = <Value>(arbitrary: fc.Arbitrary<Value>) => fc.option(arbitrary, { nil: undefined });

const anyItem: fc.Arbitrary<StoredGeneration> = fc
  .record({
    input: anyText,
    text: maybe(anyText),
    reasoning: maybe(anyText),
    usage: maybe(anyText.map((note) => ({ completion_tokens: 7, note }))),
    error: maybe(fc.record({ code: anyText, message: anyText })),
    toolCalls: maybe(anyText.map((args) => [{ id: 'c', name: 'f', arguments: args }])),
  })
  .map((fields) => ({
    ...({ id: 'g', kind: 'generation', user: 'u', createdAt: 1, model: 'm'.repeat(200) } as const),
    ...({ governor: 'fastest', status: 'done', attempt: 1, epoch: 0, seq: 7 } as const),
    ...(JSON.parse(JSON.stringify(fields)) as Pick<StoredGeneration, 'input'>),
  }));

const ref = (bytes: number): BodyRef => ({ chunks: 1, bytes, sha256: 'f'.repeat(64) });
const refsOf = (bodies: readonly LooseBody[]): Refs =>
  Object.fromEntries(bodies.map(({ part, fields }) => [part, ref(encodedBytes(fields))]));
const stored = (item: ItemBody): { item: ItemBody; bodies: readonly LooseBody[] } => {
  const { bodies, record } = divideItem(item);
  return { bodies, item: record(refsOf(bodies)) };
};

describe('an item', () => {
  test('fits its message, and with its bodies it says all that was said', () => {
    fc.assert(
      fc.property(anyItem, (whole) => {
        const { item, bodies } = stored(whole);
        expect(encodedBytes(item)).toBeLessThanOrEqual(MAX_ITEM_BYTES);
        const { bodies: refs = {}, preview: _preview, ...rest } = item as StoredGeneration;
        expect(Object.keys(refs).sort()).toEqual(bodies.map(({ part }) => part).sort());
        const { usage: _usage, error: _error, ...said } = whole;
        expect(Object.assign({}, rest, ...bodies.map(({ fields }) => fields))).toMatchObject(said);
      }),
    );
  });

  test('has no text where its text is apart, so that nobody takes the beginning for all of it', () => {
    const whole = { ...fc.sample(anyItem, 1)[0], input: 'i', text: 'x'.repeat(30_000) } as StoredGeneration;
    const { item } = stored(whole);
    expect(item).not.toHaveProperty('text');
    expect(item).not.toHaveProperty('toolCalls');
    expect(item).toMatchObject({ preview: 'x'.repeat(1024), bodies: { answer: { chunks: 1 } } });
  });

  test('that is written again keeps what is apart, and loses it to a newer text', () => {
    fc.assert(
      fc.property(anyItem, (whole) => {
        const { item } = stored(whole);
        expect(stored(item)).toEqual({ item, bodies: [] });
        const { item: newer } = stored({ ...item, text: 'new' } as StoredGeneration);
        expect(newer).not.toHaveProperty('preview');
        expect(newer).not.toHaveProperty('bodies.answer');
      }),
    );
  });

  test('of a short text is as it was before there were bodies', () => {
    const item = { id: 'x', kind: 'message', user: 'u', createdAt: 1, text: 'hello', data: [1] } as const;
    expect(stored(item)).toEqual({ item, bodies: [] });
  });

  test('that is a long chat line has its text and data apart', () => {
    const fields = { text: '"'.repeat(20_000), data: { any: 'thing' } };
    const { item, bodies } = stored({ id: 'x', kind: 'message', user: 'u', createdAt: 1, ...fields });
    expect(bodies).toEqual([{ part: 'message', fields }]);
    expect(item).toMatchObject({ text: '"'.repeat(512), bodies: { message: { chunks: 1 } } });
    expect(item).not.toHaveProperty('data');
  });
});

test('the beginning of a text is whole characters and within its bound', () => {
  fc.assert(
    fc.property(anyText, fc.nat({ max: 40 }), (text, most) => {
      const beginning = beginningOf(text, most);
      expect(text.startsWith(beginning)).toBe(true);
      expect(encodedBytes(beginning) - 2).toBeLessThanOrEqual(most);
      const next = text.slice(beginning.length)[Symbol.iterator]().next();
      if (next.done !== true) expect(encodedBytes(beginning + next.value) - 2).toBeGreaterThan(most);
    }),
  );
});

describe('a prompt', () => {
  const entryOf = (body: object, more: object = {}): PromptEntry => ({
    ...{ hash: 'h', user: 'u', createdAt: 1, body: { model: 'm', governor: 'none', ...body } },
    ...more,
  });

  test('fits its message, and settings stay in it', () => {
    fc.assert(
      fc.property(anyText, anyText, fc.boolean(), (text, note, isInput) => {
        const asked = isInput ? { input: text } : { messages: [{ role: 'user', content: text }] };
        const { bodies, record } = dividePrompt(entryOf(asked, { note: { note } }));
        const small = record(refsOf(bodies));
        expect(encodedBytes(small)).toBeLessThanOrEqual(MAX_ITEM_BYTES);
        expect(small.body).toMatchObject({ model: 'm', governor: 'none' });
        const fields = Object.assign({}, small.body, ...bodies.map((body) => body.fields)) as object;
        expect(fields).toMatchObject(asked);
      }),
    );
  });

  test('has the same body as its item where what was typed is long', () => {
    const input = 'é'.repeat(20_000);
    const { bodies } = dividePrompt(entryOf({ input, params: { seed: 1 } }));
    expect(bodies).toEqual([
      { part: 'input', fields: { input } },
      { part: 'prompt', fields: { params: { seed: 1 } } },
    ]);
  });
});
