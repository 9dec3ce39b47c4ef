import { describe, expect, test } from '@jest/globals';
import { CLOSE_CODES, ERROR_CODES, isRetryable, mayReconnect, SluiceError } from '../src/index.ts';

describe('a close code', () => {
  test.each([
    [1000, false],
    [1001, true],
    [1006, true],
    [1012, true],
    [1013, true],
    [4000, true],
    [4008, true],
    [4009, true],
    [4399, true],
    [4400, false],
    [4401, false],
    [4403, false],
    [4408, false],
    [4409, false],
    [4429, false],
    [4499, false],
    [4500, true],
  ])('of %d: may reconnect is %s', (code, may) => expect(mayReconnect(code)).toBe(may));

  test('of ours is unique and in a range that applications may use', () => {
    const codes = Object.values(CLOSE_CODES);
    expect(new Set(codes).size).toBe(codes.length);
    for (const code of codes) expect(code < 1015 || (code >= 4000 && code <= 4999)).toBe(true);
  });
});

describe('an error code', () => {
  test('is retryable when the same request may succeed later', () => {
    expect(ERROR_CODES.filter(isRetryable)).toEqual(['rate_limited', 'unavailable', 'internal']);
  });

  test('travels in an error with its facts', () => {
    const cause = new Error('no responders');
    const error = new SluiceError('unavailable', 'no worker for the model', { retryAfterMs: 500, cause });
    expect(error).toMatchObject({ code: 'unavailable', retryAfterMs: 500, cause });
    const bare = new SluiceError('conflict', 'taken');
    expect(bare.retryAfterMs).toBeUndefined();
    expect('cause' in bare).toBe(false);
  });
});
