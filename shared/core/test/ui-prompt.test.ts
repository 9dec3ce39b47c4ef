import { describe, expect, test } from '@jest/globals';
import { isId } from '@sluice/protocol';
import { uiMessageIdOf, uiPromptOf } from '../src/index.ts';
import type { UiMessage, UiPart, UiPrompt } from '../src/index.ts';

const text = (value: string): UiPart => ({ type: 'text', text: value });
const user = (id: string, ...parts: UiPart[]): UiMessage => ({ id, role: 'user', parts });
const assistant = (id: string, ...parts: UiPart[]): UiMessage => ({ id, role: 'assistant', parts });
const ask = (messages: UiMessage[], more: Partial<Parameters<typeof uiPromptOf>[0]> = {}): UiPrompt =>
  uiPromptOf({ trigger: 'submit-message', messages, fields: {}, request: 'r1', ...more });

const tool = (more: object): UiPart => ({
  type: 'tool-weather',
  toolCallId: 'c1',
  input: { in: 'Rome' },
  ...more,
});

describe('the prompt of a chat', () => {
  test('is the conversation in OpenAI’s shape, without what only people read', () => {
    const { body } = ask([
      { id: 's', role: 'system', parts: [text('Be brief.')] },
      user('u1', text('Wet?'), { type: 'data-place', data: 'Rome' }),
      assistant(
        'a1',
        { type: 'step-start' },
        { type: 'reasoning', text: 'hm' },
        text('Let me see.'),
        tool({ state: 'output-available', output: { rain: true } }),
        { type: 'step-start' },
        text('Yes.'),
      ),
      user('u2', text('What is this?'), { type: 'file', mediaType: 'image/png', url: 'data:image/png;,' }),
    ]);
    const call = { id: 'c1', type: 'function', function: { name: 'weather', arguments: '{"in":"Rome"}' } };
    expect(body.messages).toEqual([
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Wet?' },
      { role: 'assistant', content: 'Let me see.', tool_calls: [call] },
      { role: 'tool', tool_call_id: 'c1', content: '{"rain":true}' },
      { role: 'assistant', content: 'Yes.' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'What is this?' },
          { type: 'image_url', image_url: { url: 'data:image/png;,' } },
        ],
      },
    ]);
  });

  test('gives the server back what it wants with its reasoning and its calls', () => {
    const back = (sluice: unknown): object => ({ sluice });
    const { body } = ask([
      user('u1', text('Wet?')),
      assistant(
        'a1',
        { type: 'reasoning', text: 'hm', providerMetadata: back({ thinking_blocks: [1], role: 'system' }) },
        tool({ state: 'output-available', output: 1, callProviderMetadata: back({ extra: 2, id: 'x' }) }),
        { type: 'reasoning', text: 'hm', providerMetadata: back('junk') },
        text('Yes.'),
      ),
      user('u2', text('Sure?')),
    ]);
    const call = { id: 'c1', type: 'function', function: { name: 'weather', arguments: '{"in":"Rome"}' } };
    expect(body.messages?.slice(1, 4)).toEqual([
      { role: 'assistant', content: null, thinking_blocks: [1], tool_calls: [{ ...call, extra: 2 }] },
      { role: 'tool', tool_call_id: 'c1', content: '1' },
      { role: 'assistant', content: 'Yes.' },
    ]);
  });

  test('has an id of its own that the same question has again, with or without half of its answer', () => {
    const question = user('u-1', text('Why?'));
    const { generation, messageId, body } = ask([question]);
    expect(isId(generation)).toBe(true);
    expect(generation).toMatch(/^u_1-/);
    expect(messageId).toBe(generation);
    expect(uiMessageIdOf(generation)).toBe(messageId);
    expect(ask([question, assistant(generation, text('Beca'))])).toEqual({ generation, messageId, body });
    expect(ask([question], { request: 'r2' })).toEqual({ generation, messageId, body });
  });

  test('has another id when anything else is asked', () => {
    const question = user('u1', text('Why?'));
    const ids = [
      ask([question]),
      ask([user('u1', text('Why not?'))]),
      ask([user('u2', text('Why?'))]),
      ask([question], { fields: { model: 'large' } }),
      ask([question], { trigger: 'regenerate-message' }),
      ask([question], { trigger: 'regenerate-message', request: 'r2' }),
    ].map(({ generation }) => generation);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('that follows a tool’s result is a later step of the message with the call', () => {
    const question = user('u1', text('Wet?'));
    const first = ask([question]);
    const called = assistant(first.messageId, tool({ state: 'output-available', output: 'rain' }));
    const second = ask([question, called]);
    expect(second.generation).not.toBe(first.generation);
    expect(second.messageId).toBe(first.messageId);
    expect(uiMessageIdOf(second.generation)).toBe(first.messageId);
    const halfWay = assistant(first.messageId, ...called.parts, { type: 'step-start' }, text('It is'));
    expect(ask([question, halfWay])).toEqual(second);
  });

  test('fits into an id whatever the messages are called', () => {
    for (const id of ['', 'ä b', '-'.repeat(9), 'x'.repeat(300), '550e8400-e29b-41d4-a716-446655440000']) {
      const called = assistant(id, tool({ state: 'output-error', errorText: 'no' }));
      for (const prompt of [ask([user(id, text('x'))]), ask([user('u', text('x')), called])])
        expect([id, isId(prompt.generation)]).toEqual([id, true]);
    }
  });

  test('leaves out calls that nobody carried out, and says so to the model where a person refused', () => {
    const open = assistant('a1', text('Let me see.'), tool({ state: 'input-available' }));
    const refused = assistant('a1', tool({ state: 'output-denied' }));
    const messagesOf = (answer: UiMessage): unknown =>
      ask([user('u1', text('Wet?')), answer, user('u2', text('Well?'))]).body.messages?.slice(1, -1);
    expect(messagesOf(open)).toEqual([{ role: 'assistant', content: 'Let me see.' }]);
    expect(messagesOf(refused)).toMatchObject([{ tool_calls: [{ id: 'c1' }] }, { role: 'tool' }]);
  });

  test.each(['approval-requested', 'approval-responded'])(
    'refuses a call in state %s, also in an earlier turn, and says what to do',
    (state) => {
      const waiting = assistant('a1', tool({ state, approval: { id: 'p1', approved: true } }));
      const dynamic = assistant('a1', { ...tool({ state }), type: 'dynamic-tool', toolName: 'weather' });
      for (const answer of [waiting, dynamic])
        expect(() => ask([user('u1', text('Wet?')), answer, user('u2', text('Well?'))])).toThrow(
          /expected a result; approving calls .+ is not supported yet/,
        );
    },
  );

  test('takes a file that is no image as a data URL, with its name where it has one', () => {
    const url = 'data:application/pdf;base64,JVBERi0=';
    const file = { type: 'file', mediaType: 'application/pdf', url };
    const parts = [file, { ...file, filename: 'a.pdf' }];
    expect(ask([user('u1', ...parts)]).body.messages?.[0]?.content).toEqual([
      { type: 'file', file: { file_data: url } },
      { type: 'file', file: { filename: 'a.pdf', file_data: url } },
    ]);
  });

  test('refuses addresses of files that are no images, parts without their text, and chats without a question', () => {
    const file = { type: 'file', mediaType: 'application/pdf', url: 'https://example.com/a.pdf' };
    for (const messages of [
      [user('u1', file)],
      [user('u1', { type: 'text', text: 7 })],
      [assistant('a1', text('Hello'))],
    ])
      expect(() => ask(messages)).toThrow(expect.objectContaining({ code: 'bad_frame' }));
  });
});
