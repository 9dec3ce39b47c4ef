import { expect, test } from '@jest/globals';
import type { ChatMessage } from '@sluice/protocol';
import { wholeCalls } from '../src/runs/whole-calls.ts';

const user: ChatMessage = { role: 'user', content: 'Why?' };
const calls = (content: string | null, ...ids: string[]): ChatMessage => ({
  ...{ role: 'assistant', content, tool_calls: ids.map((id) => ({ id, type: 'function' })) },
});
const result = (id: string): ChatMessage => ({ role: 'tool', tool_call_id: id, content: 'x' });
const answer: ChatMessage = { role: 'assistant', content: 'So.' };

test.each<[string, ChatMessage[], ChatMessage[]]>([
  ['calls with their results stay', [user, calls(null, 'a', 'b'), result('b'), result('a'), answer], []],
  ['a call without a result goes', [user, calls(null, 'a'), user], [user, user]],
  [
    'a text stays without its call',
    [user, calls('Hm.', 'a'), user],
    [user, { role: 'assistant', content: 'Hm.' }, user],
  ],
  [
    'one call of two stays',
    [user, calls(null, 'a', 'b'), result('a')],
    [user, calls(null, 'a'), result('a')],
  ],
  ['a result that nobody asked for goes', [result('a'), user, answer, result('b')], [user, answer]],
])('%s', (_, messages, expected) => {
  expect(wholeCalls(messages)).toEqual(expected.length === 0 ? messages : expected);
});
