import { describe, expect, test } from '@jest/globals';
import { painted } from '../src/terminal/painted.ts';
import { jsonLine, plain } from '../src/terminal/plain.ts';

describe('text for a terminal', () => {
  test.each([
    ['a title', '\x1b]0;owned\x07', '␛]0;owned␇'],
    ['clearing the screen', '\x1b[2J', '␛[2J'],
    ['a one-byte control sequence', '\u009b2J', '<U+009B>2J'],
    ['a carriage return', 'no\ryes', 'no␍yes'],
    ['a backspace and a delete', 'a\b\x7f', 'a␈␡'],
    ['text from right to left', '\u202etxt.exe\u202c', '<U+202E>txt.exe<U+202C>'],
    ['no width', 'ad\u200bmin', 'ad<U+200B>min'],
    ['a tag', '\u{e0041}', '<U+E0041>'],
  ])('shows %s, and does nothing', (_name, text, shown) => expect(plain(text)).toBe(shown));

  test.each([
    ['lines and tabs', 'one\n\ttwo\r\n', 'one\n\ttwo\n'],
    ['emoji of several parts', '👩🏽‍💻 ❤️'],
    ['Persian with its joiners', 'می‌خواهم'],
    ['half of a pair: the other half comes later', '\ud83d'],
  ])('leaves %s', (_name, text, shown = text) => expect(plain(text)).toBe(shown));

  test('has no colours but ours', () => {
    const paint = (text: string): string => `<b>${text}</b>`;
    expect(painted('\x1b[1m', { text: '\x1b[31mann', paint }, ' › ')).toBe('␛[1m<b>␛[31mann</b> › ');
  });
});

test('a line of JSON is free of all that, and means the same', () => {
  const value = { text: 'a\x1b[2J\u009b\u202e\u{e0041}\n"ö"' };
  expect(jsonLine(value)).toBe('{"text":"a\\u001b[2J\\u009b\\u202e\\udb40\\udc41\\n\\"ö\\""}\n');
  expect(JSON.parse(jsonLine(value))).toEqual(value);
});
