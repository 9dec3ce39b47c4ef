/**
 * LangChain.js against a whole system. Its standard tests of chat models (langchain-ai/langchainjs,
 * `libs/langchain-standard-tests`) are not published, so what they ask of an integration is asked here by their names; the same
 * suite for Python is published and runs as it is in `python.test.ts`. Left out: inputs of Anthropic's form, and what they
 * ask of a class without a server (constructors, environment variables, serialisation), which is LangChain's own code.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { AIMessage, HumanMessage, SystemMessage, ToolMessage } from '@langchain/core/messages';
import type { AIMessageChunk } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { ChatOpenAI } from '@langchain/openai';
import { waitFor } from '@sluice/testkit';
import { z } from 'zod';
import { tokenFor } from './support/clients.ts';
import { calls, MODEL, play, refuses, says, startStage, thinks } from './support/played-model.ts';
import type { Plays, Stage } from './support/played-model.ts';

const ADD = { a: 2, b: 3 };

const PLAYS: Plays = {
  hello: () => says('Hello, world.'),
  thought: () => thinks('hm', 'Yes.'),
  endless: () => ({ hangAtToken: 10 }),
  'breaks off': () => ({ errorAtToken: 10 }),
  refused: () => refuses(400, { message: 'too long', code: 'context_length_exceeded', param: 'messages' }),
  'broken once': ({ times }) => (times === 0 ? refuses(500, { message: 'broken' }) : says('Mended.')),
  sum: ({ results }) => (results.length === 0 ? calls(['add', ADD]) : says(`It is ${results.join()}.`)),
  sums: ({ results }) =>
    results.length === 0 ? calls(['add', ADD], ['add', { a: 4, b: 5 }]) : says(results.join(' and ')),
  structured: ({ request }) =>
    request.body['tools'] === undefined ? says(JSON.stringify(ADD)) : calls(['extract', ADD]),
};

let stage: Stage;
beforeAll(async () => {
  stage = await startStage(PLAYS);
});
afterAll(() => stage.close());

const modelOf = (fields: ConstructorParameters<typeof ChatOpenAI>[0] = {}): ChatOpenAI =>
  new ChatOpenAI({
    model: MODEL,
    apiKey: tokenFor('ann'),
    maxRetries: 0,
    configuration: { baseURL: `${stage.url}/v1` },
    ...fields,
  });

const add = tool(({ a, b }: { a: number; b: number }) => String(a + b), {
  name: 'add',
  description: 'adds two numbers',
  schema: z.object({ a: z.number(), b: z.number() }),
});

const merged = async (stream: AsyncIterable<AIMessageChunk>): Promise<AIMessageChunk> => {
  let whole: AIMessageChunk | undefined;
  for await (const piece of stream) whole = whole === undefined ? piece : whole.concat(piece);
  if (whole === undefined) throw new Error('expected at least one chunk, there was none');
  return whole;
};

const sentMessages = (): unknown => stage.mock.requests.at(-1)?.body['messages'];

describe.each([
  ['chat completions', false],
  ['responses', true],
])('a chat model over %s', (_, useResponsesApi) => {
  const model = (fields: object = {}): ChatOpenAI => modelOf({ useResponsesApi, ...fields });

  // compat(langchain): chat, response, usage
  test('invokes', async () => {
    const answer = await model().invoke(play('hello'));
    expect(answer).toBeInstanceOf(AIMessage);
    expect(answer.text).toBe('Hello, world.');
    expect(answer.usage_metadata).toMatchObject({ input_tokens: 11, output_tokens: 7, total_tokens: 18 });
  });

  // compat(langchain): chat stream, response stream, usage
  test('streams', async () => {
    const pieces: string[] = [];
    const stream = await model().stream(play('hello'));
    let usage: unknown;
    for await (const piece of stream) {
      if (piece.text !== '') pieces.push(piece.text);
      usage = piece.usage_metadata ?? usage;
    }
    expect(pieces.join('')).toBe('Hello, world.');
    expect(usage).toMatchObject({ input_tokens: 11, output_tokens: 7, total_tokens: 18 });
  });

  test('answers a batch', async () => {
    const answers = await model().batch([play('hello'), play('thought')]);
    expect(answers.map(({ text }) => text)).toEqual(['Hello, world.', 'Yes.']);
  });

  test('answers a conversation, and one of two lines of a person in a row', async () => {
    const turns = [
      ...[new SystemMessage('Be brief.'), new HumanMessage('hello'), new AIMessage('hi')],
      ...[new HumanMessage('Listen.'), new HumanMessage(play('hello'))],
    ];
    expect((await model().invoke(turns)).text).toBe('Hello, world.');
    expect(sentMessages()).toMatchObject([
      ...[{ role: 'system' }, { role: 'user' }, { role: 'assistant', content: 'hi' }],
      ...[{ role: 'user' }, { role: 'user' }],
    ]);
  });

  // compat(langchain): tools
  test.each([false, true])('calls tools and takes their results, streamed: %s', async (streamed) => {
    const bound = model().bindTools([add]);
    const ask = async (turns: (HumanMessage | AIMessage | ToolMessage)[]): Promise<AIMessage> =>
      streamed ? merged(await bound.stream(turns)) : bound.invoke(turns);
    const turns: (HumanMessage | AIMessage | ToolMessage)[] = [new HumanMessage(play('sums'))];
    const calling = await ask(turns);
    expect(calling.tool_calls?.map(({ name, args }) => [name, args])).toEqual([
      ['add', ADD],
      ['add', { a: 4, b: 5 }],
    ]);
    turns.push(calling);
    for (const call of calling.tool_calls ?? []) turns.push((await add.invoke(call)) as ToolMessage);
    expect((await ask(turns)).text).toBe('5 and 9');
  });

  test('takes tools in OpenAI’s form, and a choice of one', async () => {
    const schema = { type: 'object', properties: { a: { type: 'number' }, b: { type: 'number' } } };
    const bound = model().bindTools([{ type: 'function', function: { name: 'add', parameters: schema } }], {
      tool_choice: 'add',
    });
    expect((await bound.invoke(play('sum'))).tool_calls).toMatchObject([{ name: 'add', args: ADD }]);
    expect(stage.mock.requests.at(-1)?.body['tool_choice']).toEqual({
      type: 'function',
      function: { name: 'add' },
    });
  });

  test('takes a history of tool calls whose results are text or parts', async () => {
    const history = [
      new HumanMessage(play('sum')),
      new AIMessage({
        content: '',
        tool_calls: [{ id: 'call_1', name: 'add', args: ADD, type: 'tool_call' }],
      }),
      new ToolMessage({ tool_call_id: 'call_1', content: [{ type: 'text', text: '5' }] }),
    ];
    expect((await model().bindTools([add]).invoke(history)).text).toContain('5');
  });

  // compat(langchain): structured output
  test.each(['jsonSchema', 'functionCalling'] as const)('has structured output by %s', async (method) => {
    const schema = z.object({ a: z.number(), b: z.number() });
    const structured = model().withStructuredOutput(schema, { name: 'extract', method, includeRaw: true });
    const { parsed, raw } = await structured.invoke(play('structured'));
    expect(parsed).toEqual(ADD);
    expect(raw).toBeInstanceOf(AIMessage);
  });

  // compat(langchain): error status
  test('fails with the status, code and message of the engine', async () => {
    const ways = [
      () => model().invoke(play('refused')),
      async () => merged(await model().stream(play('refused'))),
    ];
    for (const way of ways)
      await expect(way()).rejects.toMatchObject({
        status: 400,
        code: 'context_length_exceeded',
        param: 'messages',
      });
  });

  // compat(langchain): retry
  test('asks again after a passing failure', async () => {
    expect((await model({ maxRetries: 2 }).invoke(play('broken once'))).text).toBe('Mended.');
  });

  // compat(langchain): abort
  test('leaves the engine when it is aborted', async () => {
    const asked = stage.mock.requests.length;
    const leave = new AbortController();
    const reading = async (): Promise<void> => {
      const stream = await model().stream(play('endless'), { signal: leave.signal });
      for await (const _ of stream) leave.abort();
    };
    await expect(reading()).rejects.toThrow();
    await waitFor(
      () => stage.mock.requests.length > asked && stage.mock.requests.at(-1)?.closedAt !== undefined,
      {
        what: 'the engine to be left',
      },
    );
  });
});

// compat(langchain): reasoning
test('reasoning is told apart from the text over responses; over chat completions LangChain reads none', async () => {
  const answer = await modelOf({ useResponsesApi: true }).invoke(play('thought'));
  expect(answer.text).toBe('Yes.');
  expect(answer.additional_kwargs['reasoning']).toMatchObject({ content: [{ text: 'hm' }] });
});

// compat(langchain): error in stream
test('the text before a failure in the middle is kept; over responses LangChain passes over the failure', async () => {
  const read = async (useResponsesApi: boolean): Promise<{ text: string; error?: unknown }> => {
    let text = '';
    try {
      const stream = await modelOf({ useResponsesApi }).stream(play('breaks off'));
      for await (const piece of stream) text += piece.text;
      return { text };
    } catch (error) {
      return { text, error };
    }
  };
  const chat = await read(false);
  expect(chat.text).not.toBe('');
  expect(chat.error).toMatchObject({ message: expect.stringContaining('the mock was told to fail') });
  expect((await read(true)).text).not.toBe('');
});

// compat(langchain): history
test('a response goes on from the one before', async () => {
  const model = modelOf({ useResponsesApi: true });
  const first = await model.invoke(play('hello'));
  const id = (first.response_metadata as { readonly id: string }).id;
  await model.invoke(play('thought'), { previous_response_id: id });
  expect(sentMessages()).toMatchObject([
    { role: 'user' },
    { role: 'assistant', content: 'Hello, world.' },
    { role: 'user' },
  ]);
});

// compat(langchain): parts
test('an image reaches the engine', async () => {
  const url = 'data:image/png;base64,iVBORw0KGgo=';
  for (const useResponsesApi of [false, true]) {
    const content = [
      { type: 'text', text: play('hello') },
      { type: 'image_url', image_url: { url } },
    ];
    await modelOf({ useResponsesApi }).invoke([new HumanMessage({ content })]);
    expect(sentMessages()).toMatchObject([
      { content: [{ type: 'text' }, { type: 'image_url', image_url: { url } }] },
    ]);
  }
});
