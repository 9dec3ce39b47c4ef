import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  InvalidIdError,
  isId,
  parseGenerationId,
  parseItemId,
  parseOrg,
  parseSessionId,
} from '../src/index.ts';

const parsers = { parseOrg, parseSessionId, parseGenerationId, parseItemId };

/** What must never reach a subject, a log line, or a key. */
const HOSTILE: readonly unknown[] = [
  '',
  '*',
  '>',
  'a.b',
  '..',
  '.',
  'a*',
  'a>',
  ' ',
  'a b',
  ' a',
  'a ',
  'a\n',
  '\na',
  'a\r\nb',
  'a\u0000',
  'a\tb',
  '$JS.API.STREAM.DELETE.TOKENS',
  '_INBOX.x',
  '$SYS',
  'a/b',
  '../../etc/passwd',
  'a%2eb',
  'ä',
  'а', // Cyrillic
  'ａ', // full width
  '٣',
  'e\u0301',
  '😀',
  '\ud83d',
  'a\u200b',
  'a\u2028',
  '"',
  "'",
  '`',
  '{}',
  'x'.repeat(65),
  'x'.repeat(100_000),
  undefined,
  null,
  0,
  1,
  NaN,
  true,
  10n,
  Symbol('a'),
  {},
  [],
  ['a'],
  { toString: () => 'a' },
  new String('a'),
  () => 'a',
];

const FINE = [
  'a',
  'A',
  '0',
  '_',
  '-',
  'x'.repeat(64),
  '3f1d2c9e-8f4b-4d0a-9f5e-0a1b2c3d4e5f',
  '-_-',
  '__proto__',
];

describe.each(Object.entries(parsers))('%s', (_, parse) => {
  test('refuses every hostile value with an error that does not echo it', () => {
    for (const value of HOSTILE) {
      expect(isId(value)).toBe(false);
      let error: unknown;
      try {
        parse(value);
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toBeInstanceOf(InvalidIdError);
      const { message, code } = error as InvalidIdError;
      expect(code).toBe('invalid_id');
      expect(message.length).toBeLessThan(150);
      if (typeof value === 'string' && value.length > 3) expect(message).not.toContain(value);
    }
  });

  test('returns what it was given when that is an id', () => {
    for (const value of FINE) expect(parse(value)).toBe(value);
  });
});

test('an id is 1-64 of letters, digits, _ and -, for any string whatever', () => {
  const isSafe = (char: string): boolean =>
    'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-'.includes(char);
  const anyAlmost = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 70, size: 'max' }),
    fc.stringMatching(/^[A-Za-z0-9_-]{0,66}$/),
    fc
      .tuple(fc.stringMatching(/^[A-Za-z0-9_-]{1,20}$/), fc.string({ maxLength: 1 }))
      .map((parts) => parts.join('')),
  );
  fc.assert(
    fc.property(anyAlmost, (value) => {
      const expected = value.length >= 1 && value.length <= 64 && value.split('').every(isSafe);
      expect(isId(value)).toBe(expected);
    }),
    { numRuns: 2_000 },
  );
});
