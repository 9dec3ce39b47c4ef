import { expect, test } from '@jest/globals';
import type { GenerationItem } from '@sluice/protocol';
import { conversationBefore, inReadingOrder, isRepeat, titleOf } from '../src/session/turns.ts';

const item = (id: string, input: string, text: string, createdAt: number): GenerationItem => ({
  ...{
    id,
    kind: 'generation',
    rev: 100 - createdAt,
    user: 'ann',
    createdAt,
    model: 'm',
    input,
    governor: 'fastest',
  },
  ...{ status: 'done', attempt: 1, epoch: 0, seq: 1, text },
});
const first = item('a', 'Who?', 'Me.', 1);
const again = item('b', 'Who?', 'Really me.', 2);
const last = item('c', 'Why?', 'So.', 3);

test('turns are in the order they were asked, whatever changed last', () => {
  expect(inReadingOrder([last, again, first]).map(({ id }) => id)).toEqual(['a', 'b', 'c']);
});

test('asking again sends the conversation before the question, without its answer', () => {
  expect(conversationBefore([first, again, last], last)).toEqual([
    { role: 'user', content: 'Who?' },
    { role: 'assistant', content: 'Really me.' },
    { role: 'user', content: 'Why?' },
  ]);
  expect(conversationBefore([first, again, last], again)).toEqual([{ role: 'user', content: 'Who?' }]);
});

test('the same question by the same person is a repeat', () => {
  expect(isRepeat(again, first)).toBe(true);
  expect(isRepeat(last, again)).toBe(false);
  expect(isRepeat({ ...again, user: 'bob' }, first)).toBe(false);
});

test('a title is the first line, cut where it is long', () => {
  expect(titleOf('  One\nTwo')).toBe('One');
  expect(titleOf('x'.repeat(80))).toHaveLength(58);
});
