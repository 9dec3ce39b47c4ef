import { expect, test } from '@jest/globals';
import type { GenerationItem } from '@sluice/protocol';
import { endNote } from '../src/chat/answer-notes.ts';

const failedBy = (error: GenerationItem['error']): string | undefined =>
  endNote({ status: 'done', reason: 'error', error } as GenerationItem)?.text;

test.each([
  [
    {
      code: 'upstream_rejected',
      message: 'x',
      upstream: { code: 'context_length_exceeded', message: 'too long.' },
    },
    'The model failed: too long. Start a new session, or ask with less text.',
  ],
  [
    { code: 'upstream_overloaded', message: 'the upstream answered 429' },
    'The model failed: the upstream answered 429. Wait a moment, then ask again.',
  ],
  [{ code: 'storage_limit', message: 'the log is full' }, 'The model failed: the log is full.'],
  [undefined, 'The model failed: no reason was given.'],
])('a failure is told with what a person can do: %j', (error, text) => {
  expect(failedBy(error)).toBe(text);
});
