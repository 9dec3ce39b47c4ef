import { describe, expect, test } from '@jest/globals';
import { midStreamFailure, statusFailure } from '../../src/engines/openai/upstream-failure.ts';
import { wordsOf } from '../../src/engines/openai/upstream-words.ts';

const error = (fields: object): object => ({ error: fields });

describe('what users are told of a server’s failure', () => {
  test('is all that a client can act on, in OpenAI’s words', () => {
    const body = error({
      message: 'maximum context length is 8192 tokens',
      type: 'invalid_request_error',
      param: 'messages',
      code: 'context_length_exceeded',
    });
    expect(wordsOf({ status: 400, body, retryAfter: '7' })).toEqual({
      status: 400,
      type: 'invalid_request_error',
      code: 'context_length_exceeded',
      param: 'messages',
      message: 'maximum context length is 8192 tokens',
      retryAfterMs: 7_000,
    });
  });

  test.each([
    ['an error that is a text', { error: 'overloaded' }, 'overloaded'],
    ['a bare error object', { message: 'no such model', code: 404 }, 'no such model'],
    ['a detail', { detail: 'Not Found' }, 'Not Found'],
    ['nothing', undefined, undefined],
    ['a list', ['x'], undefined],
    ['wrong types', error({ message: 7, code: {}, param: [], type: null }), undefined],
  ])('can be read from %s', (_, body, message) => {
    expect(wordsOf({ status: 404, body })).toEqual({
      status: 404,
      ...(message === undefined ? {} : { message }),
    });
  });

  test.each([
    ['Incorrect API key provided: sk-proj-abc***xyz. See', 'Incorrect API key provided: *** See'],
    ['Authorization: Bearer abc.def was refused', 'Authorization: *** was refused'],
    ['key eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.abc is', 'key *** is'],
    ['gsk_1234567890abcdef', '***'],
    ['the key-value store is full', 'the key-value store is full'],
  ])('has no credentials in it: %s', (message, told) => {
    expect(wordsOf({ status: 400, body: error({ message }) }).message).toBe(told);
  });

  test('is nothing where the server quarrels with its operator', () => {
    expect(wordsOf({ status: 401, body: error({ message: 'bad key', code: 'invalid_api_key' }) })).toEqual({
      status: 401,
    });
  });

  test('is bounded, and without its message where the operator wants that', () => {
    const body = error({ message: 'x'.repeat(5_000), code: 'c'.repeat(5_000) });
    const { message, code } = wordsOf({ status: 400, body });
    expect([message?.length, code?.length]).toEqual([1_000, 200]);
    expect(wordsOf({ status: 400, body: error({ message: 'm', code: 'c' }) }, 'hide')).toEqual({
      status: 400,
      code: 'c',
    });
  });

  test.each([
    ['0', 0],
    ['1.5', 1_500],
    ['-3', 0],
    ['1e9', 86_400_000],
    ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
    ['soon', undefined],
    ['', undefined],
  ])('Retry-After: %s is %s ms', (retryAfter, ms) => {
    expect(wordsOf({ status: 429, body: undefined, retryAfter }).retryAfterMs).toBe(ms);
  });
});

test('what goes to logs has none of it', () => {
  const body = error({ message: 'the prompt was: sesame', code: 'invalid_value' });
  for (const { message } of [
    statusFailure({ status: 400, body }),
    midStreamFailure({ message: 'sesame', code: 500 }),
  ])
    expect(message).not.toContain('sesame');
});
