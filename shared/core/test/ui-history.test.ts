import { describe, expect, test } from '@jest/globals';
import type { GenerationItem, Item } from '@sluice/protocol';
import { latestTurns, uiMessagesOf, uiPromptOf, uiRepeatOf } from '../src/index.ts';
import type { UiMessage, UiPrompt } from '../src/index.ts';

const said = (id: string, text = id): UiMessage => ({ id, role: 'user', parts: [{ type: 'text', text }] });
const ask = (messages: UiMessage[], request?: string): UiPrompt =>
  uiPromptOf({
    ...{ messages, fields: {}, request: request ?? '' },
    trigger: request === undefined ? 'submit-message' : 'regenerate-message',
  });

const item = (id: string, more: Partial<GenerationItem> = {}): GenerationItem => ({
  ...{ id, kind: 'generation', rev: 1, user: 'ann', createdAt: 1, model: 'm', input: 'Why?' },
  ...{ governor: 'fastest', status: 'done', attempt: 1, epoch: 0, seq: 1, text: `answer ${id}` },
  ...more,
});
const idsOf = (turns: readonly { readonly id: string }[]): string[] => turns.map(({ id }) => id);

const first = ask([said('u1')]).generation;
const second = ask([said('u2')]).generation;
const again = ask([said('u1')], 'r1').generation;

describe('the turns of a chat', () => {
  test('lose an answer that was made again, with what was said after it, and keep what others said', () => {
    const line = { id: 'line' };
    const turns = [{ id: 'native' }, { id: first }, line, { id: second }];
    expect(idsOf(latestTurns([...turns, { id: again }]))).toEqual(['native', 'line', again]);
    expect(idsOf(latestTurns(turns, again))).toEqual(['native', 'line']);
    expect(latestTurns(turns)).toEqual(turns);
  });

  test('know what repeats a generation that is none of a chat', () => {
    const { generation } = uiRepeatOf({ id: 'native', body: { input: 'Why?' } }, {}, 'r1');
    const next = uiRepeatOf({ id: generation, body: { input: 'Why?' } }, {}, 'r2').generation;
    expect(idsOf(latestTurns([{ id: 'native' }, { id: generation }, { id: next }]))).toEqual([next]);
  });

  test('are never taken for one question because of how somebody else names generations', () => {
    const ids = ['chat-0123456789abcdef', 'chat-fedcba9876543210', 'chat-0123456789abcdef0123456789abcdef'];
    expect(idsOf(latestTurns(ids.map((id) => ({ id }))))).toEqual(ids);
  });
});

describe('what a session shows in a chat', () => {
  test('is each question once, with the newest answer and the ids they had', () => {
    const items: Item[] = [
      item(first),
      { id: 'l1', kind: 'message', rev: 1, user: 'bob', createdAt: 1, text: 'Hi.' },
      item(again, { reasoning: 'hm' }),
      item(second, { status: 'running' }),
    ];
    expect(uiMessagesOf(items)).toEqual([
      { id: 'l1', role: 'user', parts: [{ type: 'text', text: 'Hi.' }] },
      said('u1', 'Why?'),
      {
        ...{ id: again, role: 'assistant' },
        parts: [
          { type: 'step-start' },
          { type: 'reasoning', text: 'hm' },
          { type: 'text', text: `answer ${again}` },
        ],
      },
      said('u2', 'Why?'),
    ]);
  });

  test('has all steps of an answer in one message, and a call that waits for its result', () => {
    const call = { id: 'c1', name: 'weather', arguments: '{"in":"Rome"}' };
    const part = { type: 'tool-weather', toolCallId: 'c1', state: 'input-available', input: { in: 'Rome' } };
    const called = item(first, { text: '', toolCalls: [call] });
    const step = item(`${first}--0123456789abcdef`, { input: '', text: 'Wet.' });
    expect(uiMessagesOf([called]).at(-1)?.parts).toEqual([{ type: 'step-start' }, part]);
    expect(uiMessagesOf([called, step])).toEqual([
      said('u1', 'Why?'),
      {
        ...{ id: first, role: 'assistant' },
        parts: [{ type: 'step-start' }, { type: 'step-start' }, { type: 'text', text: 'Wet.' }],
      },
    ]);
  });
});

describe('another answer to what was asked before', () => {
  test('is asked for as then, but for what is said of it now', () => {
    const { body } = uiPromptOf({
      ...{ trigger: 'submit-message', messages: [said('u1')], request: '' },
      fields: { model: 'm1', temperature: 1, system: 'Be brief.' },
    });
    const repeated = uiRepeatOf({ id: first, body }, { model: 'm2', topP: 1, system: 'Be long.' }, 'r1');
    expect(repeated.body).toEqual({
      ...{ model: 'm2', params: { temperature: 1, top_p: 1 } },
      messages: [
        { role: 'system', content: 'Be long.' },
        { role: 'user', content: 'u1' },
      ],
    });
    expect(repeated.generation).not.toBe(uiRepeatOf({ id: first, body }, { model: 'm2' }, 'r2').generation);
  });

  test('goes on with the session where the question did', () => {
    expect(uiRepeatOf({ id: 'native', body: { input: 'Why?' } }, {}, 'r1').body).toMatchObject({
      ...{ history: 'session', messages: [{ role: 'user', content: 'Why?' }] },
    });
  });
});
