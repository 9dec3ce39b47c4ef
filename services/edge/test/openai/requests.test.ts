import { encryptedContentOf } from '../../src/openai/server-fields.ts';
import { describe, expect, test } from '@jest/globals';
import { SluiceError } from '@sluice/protocol';
import { chatRequestSchema, promptOfChat } from '../../src/openai/chat-request.ts';
import { messagesOfInput, inputSchema } from '../../src/openai/input/response-input.ts';
import { promptOfResponse, responseRequestSchema } from '../../src/openai/response-request.ts';

const chat = (request: object) => promptOfChat(chatRequestSchema.parse(request));
const response = (request: object) => promptOfResponse(responseRequestSchema.parse(request), []);
const messages = [{ role: 'user', content: 'hi' }];
const refusalOf = (work: () => unknown): SluiceError => {
  try {
    work();
  } catch (error) {
    if (error instanceof SluiceError) return error;
    throw error;
  }
  throw new Error('expected a refusal, there was none');
};

describe('a chat completion’s prompt', () => {
  test('has what the engine needs, known or not, and nothing of how it is delivered', () => {
    const request = { model: 'm', messages, temperature: 0.5, guided_regex: 'a+', seed: null };
    const prompt = chat(request);
    expect(prompt).toEqual({ model: 'm', messages, params: { temperature: 0.5, guided_regex: 'a+' } });
    const streamed = {
      ...request,
      stream: true,
      stream_options: { include_usage: true },
    };
    expect(chat(streamed)).toEqual(prompt);
  });

  test('is held to the bounds of every prompt, named as the client knows them', () => {
    expect(refusalOf(() => chat({ messages, temperature: -1 })).message).toMatch(/^`temperature`: /);
    expect(refusalOf(() => chat({ messages: [] })).message).toMatch(/^`messages`: /);
    const deep = JSON.parse(`${'['.repeat(100)}${']'.repeat(100)}`) as unknown;
    expect(refusalOf(() => chat({ messages, x: deep })).code).toBe('bad_frame');
  });
});

test('a chat completion may have the parts of responses, which become its own', () => {
  const image = 'data:image/png;base64,AA==';
  const odd = { type: 'video_url', video_url: { url: image } };
  const content = [
    { type: 'input_text', text: 'Look.' },
    { type: 'input_image', image_url: image },
    { type: 'input_file', file_data: 'data:application/pdf;base64,AA==' },
    odd,
    7,
  ];
  expect(chat({ messages: [{ role: 'user', content }] }).messages?.[0]?.content).toEqual([
    { type: 'text', text: 'Look.' },
    { type: 'image_url', image_url: { url: image } },
    { type: 'file', file: { file_data: 'data:application/pdf;base64,AA==' } },
    odd,
    7,
  ]);
  const refused = refusalOf(() => chat({ messages: [{ role: 'user', content: [{ type: 'input_file' }] }] }));
  expect(refused.message).toMatch(/^`messages.0.content.0.file_data`: /);
});

describe('a response’s prompt', () => {
  test('is that of the chat completion that asks the same', () => {
    const parameters = { type: 'object' };
    const tool = { type: 'function', name: 'f', description: null, parameters, strict: true };
    const prompt = response({
      ...{ model: 'm', input: 'hi', instructions: 'Be brief.', max_output_tokens: 9, top_k: 3 },
      ...{ tools: [tool], tool_choice: { type: 'function', name: 'f' } },
      ...{ text: { format: { type: 'json_schema', name: 'n', schema: {} }, verbosity: 'low' } },
      reasoning: { effort: 'low', summary: 'auto' },
      ...{ stream: true, background: true },
    });
    expect(prompt).toEqual({
      model: 'm',
      messages: [{ role: 'system', content: 'Be brief.' }, ...messages],
      params: {
        max_tokens: 9,
        top_k: 3,
        tools: [{ type: 'function', function: { name: 'f', parameters, strict: true } }],
        tool_choice: { type: 'function', function: { name: 'f' } },
        response_format: { type: 'json_schema', json_schema: { name: 'n', schema: {} } },
        reasoning_effort: 'low',
        verbosity: 'low',
      },
    });
  });

  test.each([{ conversation: 'c' }, { prompt: { id: 'p' } }])('is refused with %j', (more) =>
    expect(responseRequestSchema.safeParse({ input: 'x', ...more }).success).toBe(false),
  );

  test('has the messages of its input', () => {
    const input = inputSchema.parse([
      { role: 'developer', content: 'Be kind.' },
      {
        role: 'user',
        content: [
          { type: 'input_text', text: 'What is this?' },
          { type: 'input_image', image_url: 'data:image/png;base64,AA==', detail: 'low' },
        ],
      },
      { type: 'reasoning', summary: [] },
      { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'Let me look.' }] },
      { type: 'function_call', call_id: 'c1', name: 'f', arguments: '{}' },
      { type: 'function_call', call_id: 'c2', name: 'g', arguments: '{}' },
      { type: 'function_call_output', call_id: 'c1', output: 'one' },
      { type: 'function_call_output', call_id: 'c2', output: [{ type: 'input_text', text: 'two' }] },
      { type: 'function_call', call_id: 'c3', name: 'h', arguments: '{}' },
    ]);
    const call = (id: string, name: string) => ({
      id,
      type: 'function',
      function: { name, arguments: '{}' },
    });
    expect(messagesOfInput(input)).toEqual([
      { role: 'system', content: 'Be kind.' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'What is this?' },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,AA==', detail: 'low' } },
        ],
      },
      { role: 'assistant', content: 'Let me look.', tool_calls: [call('c1', 'f'), call('c2', 'g')] },
      { role: 'tool', tool_call_id: 'c1', content: 'one' },
      { role: 'tool', tool_call_id: 'c2', content: 'two' },
      { role: 'assistant', content: null, tool_calls: [call('c3', 'h')] },
    ]);
  });

  test('gives the server back what it sealed, with the message and the calls that it was sealed for', () => {
    const { encrypted_content } = encryptedContentOf({ reasoning_details: [1], role: 'system' });
    const input = inputSchema.parse([
      { type: 'reasoning', summary: [], encrypted_content },
      { type: 'message', role: 'assistant', content: 'Let me look.' },
      { type: 'reasoning', summary: [], encrypted_content: 'of another server' },
      {
        type: 'function_call',
        call_id: 'c1',
        name: 'f',
        arguments: '{}',
        server_fields: { extra: 1, id: 'x' },
      },
      { type: 'function_call_output', call_id: 'c1', output: 'one' },
      { type: 'reasoning', summary: [], encrypted_content },
      { role: 'user', content: 'And?' },
    ]);
    const called = { id: 'c1', type: 'function', function: { name: 'f', arguments: '{}' } };
    expect(messagesOfInput(input)).toEqual([
      {
        ...{ role: 'assistant', content: 'Let me look.' },
        ...{ reasoning_details: [1], tool_calls: [{ ...called, extra: 1 }] },
      },
      { role: 'tool', tool_call_id: 'c1', content: 'one' },
      { role: 'user', content: 'And?' },
    ]);
  });

  test.each([
    [{ type: 'compaction', id: 'x' }, '`input.0.type`'],
    [{ role: 'user' }, '`input.0.content`'],
    [{ content: 'x' }, '`input.0.role`'],
    [{ type: 'function_call', call_id: 'c' }, '`input.0.name`'],
    [{ type: 'function_call_output', output: 'x' }, '`input.0.call_id`'],
    [{ role: 'user', content: [{ type: 'input_file', file_id: 'f' }] }, '`input.0.content.0.file_id`'],
    [{ role: 'user', content: [{ type: 'input_file', file_url: 'f' }] }, '`input.0.content.0.file_url`'],
    [{ role: 'user', content: [{ type: 'input_file' }] }, '`input.0.content.0.file_data`'],
    [{ role: 'user', content: [{ type: 'input_video' }] }, '`input.0.content.0.type`'],
    [{ role: 'user', content: [{ type: 'input_image', file_id: 'f' }] }, '`input.0.content.0.image_url`'],
  ])('refuses an entry that it cannot say to an engine, by name: %j', (entry, field) => {
    const refusal = refusalOf(() => messagesOfInput(inputSchema.parse([entry])));
    expect(refusal.code).toBe('bad_frame');
    expect(refusal.message.startsWith(`${field}: `)).toBe(true);
  });
});
