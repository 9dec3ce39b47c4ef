import { expect, test } from '@jest/globals';
import { withoutText } from '../src/index.ts';
import type { GenerationItem, MessageItem } from '../src/index.ts';

const generation: GenerationItem = {
  id: 'g1',
  kind: 'generation',
  rev: 3,
  user: 'ann',
  createdAt: 1,
  model: 'm',
  input: 'hi',
  governor: 'fastest',
  status: 'done',
  attempt: 1,
  epoch: 0,
  seq: 3,
  text: 'hello',
  reasoning: 'hm',
  toolCalls: [{ id: 'call_1', name: 'find', arguments: '{}' }],
  reason: 'stop',
  usage: { completion_tokens: 3 },
};

test('a generation without its text keeps everything but what deltas carry', () => {
  const { text: _t, reasoning: _r, toolCalls: _c, ...rest } = generation;
  expect(withoutText(generation)).toEqual(rest);
  expect(generation.text).toBe('hello');
});

test('a message keeps its text: no delta carries it', () => {
  const message: MessageItem = { id: 'm1', kind: 'message', rev: 1, user: 'ann', createdAt: 1, text: 'hi' };
  expect(withoutText(message)).toEqual(message);
});
