import { describe, expect, test } from '@jest/globals';
import { uiPromptOf } from '../src/index.ts';
import type { UiPrompt } from '../src/index.ts';

const ask = (fields: object): UiPrompt['body'] =>
  uiPromptOf({
    ...{ trigger: 'submit-message', request: 'r1', fields: { ...fields } },
    messages: [{ id: 'u1', role: 'user', parts: [{ type: 'text', text: 'Wet?' }] }],
  }).body;

const SCHEMA = { type: 'object', properties: { in: { type: 'string' } } };
const WEATHER = {
  type: 'function',
  function: { name: 'weather', description: 'How it is', parameters: SCHEMA },
};
const said = [{ role: 'user', content: 'Wet?' }];

describe('what an application says beside a chat', () => {
  test('is what a prompt says, its parameters under OpenAI’s names', () => {
    expect(
      ask({
        ...{ model: 'm1', onAbandon: 'finish', system: 'Be brief.', temperature: 0.2, topP: 0.9 },
        ...{ maxOutputTokens: 7, stopSequences: ['.'], presencePenalty: 1, frequencyPenalty: 2, topK: 3 },
        ...{ toolChoice: { type: 'tool', toolName: 'weather' }, params: { seed: 1 }, config: undefined },
      }),
    ).toEqual({
      ...{ model: 'm1', onAbandon: 'finish' },
      params: {
        ...{ temperature: 0.2, top_p: 0.9, max_tokens: 7, stop: ['.'], presence_penalty: 1 },
        ...{ frequency_penalty: 2, top_k: 3, seed: 1 },
        tool_choice: { type: 'function', function: { name: 'weather' } },
      },
      messages: [{ role: 'system', content: 'Be brief.' }, ...said],
    });
  });

  test('keeps what nobody knows, so that it can be refused by its name', () => {
    expect(ask({ userId: 'x', callSettings: { temperature: 1, speed: 2 } }).params).toEqual({
      ...{ userId: 'x', temperature: 1, speed: 2 },
    });
  });

  test.each([
    ['OpenAI’s list', [WEATHER]],
    ['a list of functions', [{ name: 'weather', description: 'How it is', inputSchema: SCHEMA }]],
    ['an object of parameters', { weather: { description: 'How it is', parameters: SCHEMA } }],
    ['tools of the AI SDK', { weather: { description: 'How it is', inputSchema: { jsonSchema: SCHEMA } } }],
  ])('may have tools as %s', (_, tools) => {
    expect(ask({ tools }).params).toEqual({ tools: [WEATHER] });
  });

  test('says nothing where it is empty', () => {
    expect(ask({ tools: {}, system: null, params: {}, callSettings: undefined })).toEqual({ messages: said });
  });

  test.each([
    [{ system: ['x'] }, '`system`'],
    [{ tools: 'weather' }, '`tools`'],
    [{ tools: { weather: 'yes' } }, '`tools.weather`'],
    [{ tools: [{ description: 'x' }] }, '`tools.0`'],
    [{ tools: { search: { type: 'provider', id: 'x.search' } } }, '`tools.search`'],
    [{ temperature: 1, params: { temperature: 2 } }, '`temperature`'],
    [{ system: 'a', instructions: 'b' }, '`system`'],
  ])('is refused by its name where it cannot be meant: %j', (fields, name) => {
    expect(() => ask(fields)).toThrow(
      expect.objectContaining({ code: 'bad_frame', message: expect.stringContaining(name) }),
    );
  });
});
