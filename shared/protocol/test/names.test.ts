import { expect, test } from '@jest/globals';
import { isReadableName } from '../src/index.ts';

test.each([
  ...[
    'ann',
    'Ann Example',
    'ann@example.com',
    'auth0|5f7c8ec7c33c6c004bbafe82',
    'Zoë',
    '李小龙',
    'علي',
    'שרה',
  ],
  ...['gpt-4o-mini', 'meta-llama/Llama-3.1-8B:free', '🦊'],
])('%s is a name', (name) => expect(isReadableName(name)).toBe(true));

test.each([
  ['nothing', ''],
  ['blanks alone', '  '],
  ['a blank at an end', 'ann '],
  ['an escape', 'ann\x1b[2J'],
  ['a line feed', 'ann\nroot'],
  ['a one-byte control sequence', 'ann\u009b2J'],
  ['an override', '\u202enna'],
  ['an isolate', '\u2066ann'],
  ['a mark from right to left', 'ann\u200f'],
  ['a blank without width', 'ad\u200bmin'],
  ['a joiner', 'ad\u200dmin'],
  ['a byte order mark', '\ufeffann'],
  ['a soft hyphen', 'ad\u00admin'],
  ['a filler that counts as a letter', 'ann\u3164'],
  ['a Braille blank', 'ann\u2800'],
  ['a tag', 'ann\u{e0041}'],
  ['a variation selector', 'ann\ufe0f'],
  ['a line separator', 'ann\u2028'],
  ['half of a pair', 'ann\ud83d'],
])('%s makes none', (_what, name) => expect(isReadableName(name)).toBe(false));
