/**
 * The AI SDK's own providers for servers like OpenAI's, against a whole system: every feature that an application uses of
 * them. Their packages ship no tests, so this walks through what they can do.
 */
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startMockServer } from '@sluice/simulator';
import type { MockFaults, MockRequest, MockServer } from '@sluice/simulator';
import { waitFor } from '@sluice/testkit';
import { OpenAiEngine } from '@sluice/worker';
import { APICallError, generateText, jsonSchema, Output, stepCountIs, streamText, tool } from 'ai';
import type { LanguageModel } from 'ai';
import { tokenFor } from './support/clients.ts';
import { startSystem } from './support/system.ts';
import type { System } from './support/system.ts';

const MODEL = 'simulated';
const USAGE = { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 };

const event = (fields: object): string => `data: ${JSON.stringify(fields)}\n\n`;
const delta = (fields: object, finish_reason: string | null = null): string =>
  event({ choices: [{ index: 0, delta: fields, finish_reason }] });
const ending = (reason: string): string =>
  `${delta({}, reason)}${event({ choices: [], usage: USAGE })}data: [DONE]\n\n`;
const saying = (text: string): MockFaults => ({ stream: delta({ content: text }) + ending('stop') });

type Said = { readonly role: string; readonly content: unknown };
const saidIn = ({ body }: MockRequest): readonly Said[] => body['messages'] as readonly Said[];
const refusal = (status: number, code: string): MockFaults => ({
  ...{ status, retryAfter: '7' },
  errorBody: JSON.stringify({ error: { message: `no: ${code}`, type: 'x', param: null, code } }),
});
const call = (index: number, city: string): string =>
  delta({
    tool_calls: [
      {
        ...{ index, id: `call_${city}`, type: 'function' },
        function: { name: 'weather', arguments: JSON.stringify({ city }) },
      },
    ],
  });

/** Two calls, one more after their results, then a text. */
const weather = (request: MockRequest): MockFaults => {
  const results = saidIn(request).filter(({ role }) => role === 'tool').length;
  if (results === 0) return { stream: call(0, 'Rome') + call(1, 'Paris') + ending('tool_calls') };
  if (results === 2) return { stream: call(0, 'Oslo') + ending('tool_calls') };
  return saying('Wet everywhere.');
};

let times = 0;
const PLAYS: Readonly<Record<string, (request: MockRequest) => MockFaults>> = {
  weather,
  object: () => saying('{"city":"Rome","wet":true}'),
  thinking: () => ({
    stream: delta({ reasoning_content: 'hm, ' }) + delta({ reasoning_content: 'so' }) + saying('Yes.').stream,
  }),
  long: () => ({}),
  'too long': () => refusal(400, 'context_length_exceeded'),
  busy: () => refusal(429, 'rate_limit_exceeded'),
  'breaks off': () => ({
    stream:
      delta({ content: 'It ' }) + delta({ content: 'was' }) + event({ error: { message: 'no more of it' } }),
  }),
  'broken every other time': () => {
    times += 1;
    if (times % 2 === 0) return saying('Mended.');
    return { status: 500, errorBody: JSON.stringify({ error: { message: 'broken' } }) };
  },
  picture: () => saying('A cat.'),
  hello: () => saying('Hello there.'),
};

let system: System;
let mock: MockServer;
let url: string;

const wordIn = (request: MockRequest): string => {
  const { content } = saidIn(request).findLast(({ role }) => role === 'user') ?? {};
  return /play "([^"]+)"/.exec(JSON.stringify(content).replaceAll('\\"', '"'))?.[1] ?? '';
};

beforeAll(async () => {
  mock = await startMockServer({
    simulated: { tokens: 10_000, tokensPerSecond: 100 },
    faults: (request) => PLAYS[wordIn(request)]?.(request) ?? {},
  });
  system = await startSystem();
  ({ url } = await system.addEdge());
  await system.addWorker(new OpenAiEngine({ upstream: mock.url }));
  const headers = { authorization: `Bearer ${tokenFor('ann')}` };
  const lists = async (): Promise<boolean> =>
    (await (await fetch(`${url}/v1/models`, { headers })).text()).includes(MODEL);
  await waitFor(lists, { what: 'the edge to know the model' });
});
afterAll(async () => {
  await system.close();
  await mock.close();
});

const openai = () => createOpenAI({ baseURL: `${url}/v1`, apiKey: tokenFor('ann') });
const compatible = () =>
  createOpenAICompatible({
    ...{ name: 'sluice', baseURL: `${url}/v1`, apiKey: tokenFor('ann') },
    ...{ includeUsage: true, supportsStructuredOutputs: true },
  });
const MODELS: readonly (readonly [string, () => LanguageModel])[] = [
  ['openai-compatible', () => compatible()(MODEL)],
  ['openai, by chat completions', () => openai().chat(MODEL)],
  ['openai, by responses', () => openai()(MODEL)],
];

const play = (name: string): string => `play "${name}"`;
const tools = {
  weather: tool({
    description: 'How it is',
    inputSchema: jsonSchema<{ city: string }>({
      type: 'object',
      properties: { city: { type: 'string' } },
      required: ['city'],
      additionalProperties: false,
    }),
    execute: ({ city }) => `wet in ${city}`,
  }),
};
const OBJECT = jsonSchema<{ city: string; wet: boolean }>({
  type: 'object',
  properties: { city: { type: 'string' }, wet: { type: 'boolean' } },
  required: ['city', 'wet'],
  additionalProperties: false,
});

describe.each(MODELS)('the provider %s', (_, model) => {
  // compat(ai-openai): chat, chat stream, response, response stream, usage
  // compat(ai-compatible): chat, chat stream, usage
  test('generates and streams a text with its usage and the reason of its end', async () => {
    const asked = { model: model(), prompt: play('hello'), maxRetries: 0 };
    const whole = await generateText(asked);
    const streamed = streamText(asked);
    expect([whole.text, await streamed.text]).toEqual(['Hello there.', 'Hello there.']);
    expect([whole.finishReason, await streamed.finishReason]).toEqual(['stop', 'stop']);
    for (const usage of [whole.usage, await streamed.usage])
      expect(usage).toMatchObject({ inputTokens: 11, outputTokens: 7 });
  });

  // compat(ai-openai, ai-compatible): tools
  // compat(ai-openai): history
  test('goes through several steps with tools, generated or streamed', async () => {
    const asked = { model: model(), prompt: play('weather'), tools, stopWhen: stepCountIs(5), maxRetries: 0 };
    const whole = await generateText(asked);
    const streamed = streamText(asked);
    for (const [text, steps] of [
      [whole.text, whole.steps],
      [await streamed.text, await streamed.steps],
    ] as const) {
      expect(text).toBe('Wet everywhere.');
      expect(steps.map(({ toolResults }) => toolResults.map(({ output }) => output))).toEqual([
        ['wet in Rome', 'wet in Paris'],
        ['wet in Oslo'],
        [],
      ]);
    }
  });

  // compat(ai-openai, ai-compatible): structured output
  test('generates an object by its schema, which reaches the engine', async () => {
    const { length } = mock.requests;
    const asked = { model: model(), prompt: play('object'), output: Output.object({ schema: OBJECT }) };
    const { output } = await generateText({ ...asked, maxRetries: 0 });
    expect(output).toEqual({ city: 'Rome', wet: true });
    expect(mock.requests[length]?.body['response_format']).toMatchObject({
      type: 'json_schema',
      json_schema: { schema: { required: ['city', 'wet'] } },
    });
  });

  // compat(ai-openai, ai-compatible): parts
  test('shows the engine a picture', async () => {
    const { length } = mock.requests;
    const image = new Uint8Array([137, 80, 78, 71, 13, 10, 26, 10]);
    const content = [
      { type: 'text' as const, text: play('picture') },
      { type: 'image' as const, image, mediaType: 'image/png' },
    ];
    const { text } = await generateText({
      model: model(),
      messages: [{ role: 'user', content }],
      maxRetries: 0,
    });
    expect(text).toBe('A cat.');
    expect(JSON.stringify(mock.requests[length]?.body['messages'])).toContain(
      `data:image/png;base64,${Buffer.from(image).toString('base64')}`,
    );
  });

  // compat(ai-openai, ai-compatible): abort
  test('stops the engine when it is aborted', async () => {
    const { length } = mock.requests;
    const stop = new AbortController();
    const { textStream } = streamText({
      ...{ model: model(), prompt: play('long'), maxRetries: 0, abortSignal: stop.signal },
    });
    for await (const part of textStream) if (part !== '') stop.abort();
    await waitFor(() => mock.requests[length]?.closedAt, { what: 'the engine to be left' });
  });

  // compat(ai-openai, ai-compatible): error in stream
  test('is told of a failure in the middle, after the text before it', async () => {
    let text = '';
    let error: unknown;
    const { fullStream } = streamText({
      model: model(),
      prompt: play('breaks off'),
      maxRetries: 0,
      onError: () => undefined,
    });
    for await (const part of fullStream) {
      if (part.type === 'text-delta') text += part.text;
      if (part.type === 'error') error = part.error;
    }
    expect(text).toBe('It was');
    expect(JSON.stringify(error) + String(error)).toContain('no more of it');
  });

  // compat(ai-openai, ai-compatible): retry
  test('asks again after a passing failure', async () => {
    const asked = { model: model(), prompt: play('broken every other time') };
    await expect(generateText({ ...asked, maxRetries: 0 })).rejects.toThrow('broken');
    expect((await generateText({ ...asked, maxRetries: 0 })).text).toBe('Mended.');
    expect((await generateText({ ...asked, maxRetries: 1 })).text).toBe('Mended.');
  });

  // compat(ai-openai, ai-compatible): error status
  test.each([
    ['too long', 400, 'context_length_exceeded', false],
    ['busy', 429, 'rate_limit_exceeded', true],
  ] as const)(
    'is told a refusal by status, code and whether to try again: %s',
    async (name, status, code, again) => {
      const asking = generateText({ model: model(), prompt: play(name), maxRetries: 0 });
      const error: unknown = await asking.catch((reason: unknown) => reason);
      if (!APICallError.isInstance(error)) throw error;
      expect(error).toMatchObject({ statusCode: status, isRetryable: again, message: `no: ${code}` });
      expect(error.data).toMatchObject({ error: { code } });
      expect(error.responseHeaders?.['retry-after']).toBe('7');
    },
  );
});

// compat(ai-compatible): reasoning
test('the provider openai-compatible shows what a model thinks, generated or streamed', async () => {
  const asked = { model: compatible()(MODEL), prompt: play('thinking'), maxRetries: 0 };
  const whole = await generateText(asked);
  const streamed = streamText(asked);
  expect([whole.reasoningText, whole.text]).toEqual(['hm, so', 'Yes.']);
  expect([await streamed.reasoningText, await streamed.text]).toEqual(['hm, so', 'Yes.']);
});

// compat(ai-openai): reasoning
test('the provider openai shows what a model thinks as the summary that it asks for', async () => {
  const providerOptions = { openai: { reasoningSummary: 'auto', forceReasoning: true } };
  const asked = { model: openai()(MODEL), prompt: play('thinking'), providerOptions, maxRetries: 0 };
  const whole = await generateText(asked);
  const streamed = streamText(asked);
  expect([whole.reasoningText, whole.text]).toEqual(['hm, so', 'Yes.']);
  expect([await streamed.reasoningText, await streamed.text]).toEqual(['hm, so', 'Yes.']);
});
