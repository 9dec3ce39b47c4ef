import { expect, test } from '@jest/globals';
import type { Delta, Item } from '@sluice/client';
import { isAnswer, isShown } from '../src/terminal/delta-kind.ts';
import { answerIn } from '../src/terminal/item-text.ts';

const delta = (kind?: Delta['kind']): Delta => ({
  ...{ epoch: 0, from: 0, seq: 1, text: 'x' },
  ...(kind === undefined ? {} : { kind }),
});

test('a refusal is an answer, and the JSON of a part is for nobody to read', () => {
  expect([delta(), delta('refusal'), delta('reasoning')].map(isAnswer)).toEqual([true, true, false]);
  expect([delta(), delta('tool_call'), delta('part')].map(isShown)).toEqual([true, true, false]);
});

test('what a model said is its text and its refusal, or the beginning of a long one', () => {
  const item: Extract<Item, { kind: 'generation' }> = {
    ...{ id: 'g', kind: 'generation', rev: 1, user: 'ann', createdAt: 1, model: 'm', input: '?' },
    ...{ governor: 'fastest', status: 'done', attempt: 1, epoch: 0, seq: 1 },
  };
  expect(answerIn({ ...item, text: '', refusal: 'No.' })).toBe('No.');
  expect(answerIn({ ...item, text: 'Yes.' })).toBe('Yes.');
  expect(answerIn({ ...item, preview: 'Once' })).toBe('Once…');
});
