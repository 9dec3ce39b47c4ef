import { expect, test } from '@jest/globals';
import { CODE_TTL_MS, OneTimeCode } from '../src/up/one-time-code.ts';

test('a code counts once', () => {
  const code = new OneTimeCode(1_000);
  expect(code.use(code.code, 1_001)).toBe(true);
  expect(code.use(code.code, 1_002)).toBe(false);
});

test('a wrong code does not count, and does not use up the right one', () => {
  const code = new OneTimeCode(0);
  for (const wrong of ['', 'x', new OneTimeCode(0).code, `${code.code}x`])
    expect(code.use(wrong, 1)).toBe(false);
  expect(code.use(code.code, 1)).toBe(true);
});

test('a code counts for ten minutes', () => {
  const [inTime, late] = [new OneTimeCode(0), new OneTimeCode(0)];
  expect(inTime.use(inTime.code, CODE_TTL_MS - 1)).toBe(true);
  expect(late.use(late.code, CODE_TTL_MS)).toBe(false);
  expect(CODE_TTL_MS).toBe(600_000);
});
