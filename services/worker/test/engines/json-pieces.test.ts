import { expect, test } from '@jest/globals';
import { jsonBytes, jsonPieces } from '../../src/engines/openai/json-pieces.ts';

test('the pieces of a request are its JSON, of the length that is told', () => {
  for (const body of [
    {},
    { model: 'm', stream: true, seed: undefined, stop: [], n: null, nested: { a: undefined, b: [{}] } },
    {
      messages: [{ role: 'user', content: 'grüß ☃ "\n' }, undefined, [1, [2]]],
      params: { tools: [{}] },
      last: 1,
    },
  ]) {
    expect([...jsonPieces(body)].join('')).toBe(JSON.stringify(body));
    expect(jsonBytes(body)).toBe(Buffer.byteLength(JSON.stringify(body)));
  }
});

test('a long conversation comes in pieces of a bounded length, and no character is cut', () => {
  for (const long of ['x'.repeat(100_000), `x${'😀'.repeat(50_000)}`, '😀'.repeat(50_000)]) {
    const messages = [
      { role: 'user', content: long },
      { role: 'user', content: 'hi' },
    ];
    const pieces = [...jsonPieces({ model: 'm', messages })];
    expect(pieces.length).toBeGreaterThan(1);
    expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThanOrEqual(50 * 1024);
    const bytes = Buffer.concat(pieces.map((piece) => Buffer.from(piece)));
    expect(bytes.toString()).toBe(JSON.stringify({ model: 'm', messages }));
  }
});

test('short messages come together', () => {
  const messages = Array.from({ length: 100 }, () => ({ role: 'user', content: 'hi' }));
  expect([...jsonPieces({ model: 'm', messages })]).toHaveLength(1);
});
