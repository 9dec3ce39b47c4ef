/** What servers of models were seen to do, through a worker and an edge, to the clients that people use. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startMockServer } from '@sluice/simulator';
import type { MockFaults, MockRequest, MockServer } from '@sluice/simulator';
import { OpenAiEngine } from '@sluice/worker';
import { waitFor } from '@sluice/testkit';
import OpenAI from 'openai';
import { recordedClient, tokenFor } from './support/clients.ts';
import { startSystem } from './support/system.ts';
import type { System } from './support/system.ts';

const MODEL = 'simulated';

const event = (fields: object): string => `data: ${JSON.stringify(fields)}\n\n`;
const chunk = (delta: object, finish_reason: string | null = null): string =>
  event({ choices: [{ index: 0, delta, finish_reason }] });
const call = (fields: object, name: string | undefined, text: unknown): object => ({
  tool_calls: [{ ...fields, function: { ...(name === undefined ? {} : { name }), arguments: text } }],
});
const DONE = 'data: [DONE]\n\n';
const calling = (...deltas: object[]): string =>
  deltas.map((delta) => chunk(delta)).join('') + chunk({}, 'tool_calls') + DONE;
const refusal = (status: number, error: object, retryAfter?: string): MockFaults => ({
  ...{ status, errorBody: JSON.stringify({ error }) },
  ...(retryAfter === undefined ? {} : { retryAfter }),
});

const PARIS = '{"city":"Paris"}';
const ROME = '{"city":"Rome"}';
const TWO_CALLS: Readonly<Record<string, string>> = {
  'index 0 for all': calling(
    call({ index: 0, id: 'a' }, 'get', PARIS),
    call({ index: 0, id: 'b' }, 'get', ROME),
  ),
  'no index': calling(call({ id: 'a' }, 'get', PARIS), call({ id: 'b' }, 'get', ROME)),
  'no id': calling(call({ index: 0 }, 'get', PARIS), call({ index: 1 }, 'get', ROME)),
  'arguments as objects': calling(
    call({ index: 0, id: 'a' }, 'get', { city: 'Paris' }),
    call({ index: 1, id: 'b' }, 'get', { city: 'Rome' }),
  ),
  'pieces without an index': calling(
    call({ id: 'a' }, 'get', '{"city":'),
    call({}, undefined, '"Paris"}'),
    call({ id: 'b' }, 'get', ''),
    call({}, undefined, ROME),
  ),
  'the older form': calling(
    { function_call: { name: 'get', arguments: PARIS } },
    { function_call: { name: 'get', arguments: ROME } },
  ),
};

const has = (request: MockRequest, field: string): boolean => request.body[field] !== undefined;

const CASES: Readonly<Record<string, MockFaults | ((isFirst: boolean, request: MockRequest) => MockFaults)>> =
  {
    'no stream options': (_, request) =>
      has(request, 'stream_options')
        ? refusal(422, { message: 'extra fields not permitted: stream_options' })
        : {},
    'no max tokens': (_, request) =>
      has(request, 'max_tokens')
        ? refusal(400, { message: "unsupported parameter 'max_tokens'", param: 'max_tokens' })
        : {},
    'alternating roles': (_, request) => {
      const roles = (request.body['messages'] as { readonly role: string }[]).map(({ role }) => role);
      const isWrong = roles.some((role, at) => role === roles[at - 1]);
      return isWrong
        ? refusal(400, { message: 'Conversation roles must alternate user/assistant/user/...' })
        : {};
    },
    'rate limited once': (isFirst) =>
      isFirst ? refusal(429, { message: 'slow down', code: 'rate_limit_exceeded' }, '0') : {},
    'loading once': (isFirst) => (isFirst ? refusal(503, { message: 'Loading model', code: 503 }, '0') : {}),
    'rate limited': refusal(
      429,
      { message: 'slow down', type: 'requests', code: 'rate_limit_exceeded' },
      '7',
    ),
    'context too long': refusal(400, {
      message: 'maximum context length is 8192 tokens',
      type: 'invalid_request_error',
      param: 'messages',
      code: 'context_length_exceeded',
    }),
    'a bad key': refusal(401, { message: 'Incorrect API key provided: sk-secret', code: 'invalid_api_key' }),
    'done without a reason': { stream: chunk({ content: 'A complete answer.' }) + DONE },
    'content in parts': {
      stream:
        chunk({ content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'hm' }] }] }) +
        chunk(
          {
            content: [
              { type: 'text', text: 'A complete ' },
              { type: 'text', text: 'answer.' },
            ],
          },
          'stop',
        ) +
        DONE,
    },
    ...Object.fromEntries(Object.entries(TWO_CALLS).map(([name, stream]) => [name, { stream }])),
  };

let system: System;
let mock: MockServer;
let url: string;
const seen = new Set<string>();

const textOf = ({ body }: MockRequest): string => {
  const messages = body['messages'] as { readonly role: string; readonly content: unknown }[];
  const content = messages.findLast(({ role }) => role === 'user')?.content;
  return typeof content === 'string' ? content : JSON.stringify(content);
};

beforeAll(async () => {
  mock = await startMockServer({
    simulated: { tokens: 20 },
    faults: (request) => {
      const [, name = '', id = ''] = /case ([^#]+)#(\S+)/.exec(textOf(request)) ?? [];
      const given = CASES[name] ?? {};
      const isFirst = !seen.has(id);
      seen.add(id);
      return typeof given === 'function' ? given(isFirst, request) : given;
    },
  });
  system = await startSystem();
  ({ url } = await system.addEdge());
  await system.addWorker(new OpenAiEngine({ upstream: mock.url }));
});
afterAll(async () => {
  await system.close();
  await mock.close();
});

const named = (name: string): string => `case ${name}#${randomUUID()}`;
const clientOf = (): OpenAI => new OpenAI({ baseURL: `${url}/v1`, apiKey: tokenFor('ann'), maxRetries: 0 });
const say = (content: string) => [{ role: 'user' as const, content }];
/** The error that asking ends with. */
const errorOf = async (asking: Promise<unknown>): Promise<InstanceType<typeof OpenAI.APIError>> => {
  try {
    await asking;
  } catch (error) {
    if (error instanceof OpenAI.APIError) return error;
    throw error;
  }
  throw new Error('expected an error, it was answered');
};

type Ask = (name: string) => Promise<unknown>;
const WAYS: readonly (readonly [string, Ask])[] = [
  [
    'a chat completion',
    (name) => clientOf().chat.completions.create({ model: MODEL, messages: say(named(name)) }),
  ],
  [
    'a streamed chat completion',
    (name) => clientOf().chat.completions.create({ model: MODEL, messages: say(named(name)), stream: true }),
  ],
  ['a response', (name) => clientOf().responses.create({ model: MODEL, input: named(name) })],
  [
    'a streamed response',
    (name) => clientOf().responses.create({ model: MODEL, input: named(name), stream: true }),
  ],
];

beforeAll(() =>
  // An edge looks every other second who is there.
  waitFor(async () => (await clientOf().models.list()).data[0], { what: 'a model' }),
);

describe.each(WAYS)('%s', (_, ask) => {
  // compat(openai-node): error status
  test('that is refused before its first token has the server’s status, code, field and message', async () => {
    const error = await errorOf(ask('context too long'));
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error).toMatchObject({ status: 400, code: 'context_length_exceeded', param: 'messages' });
    expect(error.message).toContain('maximum context length is 8192 tokens');
  });

  test('that is refused for longer than a worker waits says when to come back', async () => {
    const error = await errorOf(ask('rate limited'));
    expect(error).toBeInstanceOf(OpenAI.RateLimitError);
    expect(error).toMatchObject({ status: 429, code: 'rate_limit_exceeded', type: 'requests' });
    expect(error.headers?.get('retry-after')).toBe('7');
  });

  test('does not tell of a quarrel between the worker and its server', async () => {
    const error = await errorOf(ask('a bad key'));
    expect(error.status).toBe(502);
    expect(JSON.stringify([error, error.message])).not.toContain('secret');
  });

  test.each(['rate limited once', 'loading once'])(
    'that is refused in passing is answered: %s',
    async (name) => {
      await expect(ask(name)).resolves.toBeDefined();
    },
  );
});

test.each(['no stream options', 'no max tokens', 'alternating roles'])(
  'a server that wants it otherwise gets it: %s',
  async (name) => {
    const messages = [...say('first'), ...say(named(name))];
    const asked = { model: MODEL, messages, max_tokens: 5 };
    for (let time = 0; time < 2; time += 1) {
      const { choices } = await clientOf().chat.completions.create(asked);
      expect(choices[0]?.message.content).not.toBe('');
    }
  },
);

test.each(['done without a reason', 'content in parts'])(
  'an answer of another form is whole: %s',
  async (name) => {
    const { choices } = await clientOf().chat.completions.create({
      model: MODEL,
      messages: say(named(name)),
    });
    expect(choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: 'A complete answer.' } });
  },
);

describe.each(Object.keys(TWO_CALLS))('two tool calls with %s are two', (name) => {
  const both = [PARIS, ROME];

  // compat(openai-node): tools
  test('in a chat completion, streamed or not', async () => {
    const asked = { model: MODEL, messages: say(named(name)) };
    const whole = await clientOf().chat.completions.create(asked);
    const streamed = await clientOf().chat.completions.stream(asked).finalChatCompletion();
    for (const { choices } of [whole, streamed]) {
      const calls = choices[0]?.message.tool_calls ?? [];
      expect(calls.map((each) => each.type === 'function' && each.function.arguments)).toEqual(both);
      expect(new Set(calls.map(({ id }) => id)).size).toBe(2);
    }
  });

  test('in a response, streamed or not', async () => {
    const asked = { model: MODEL, input: named(name) };
    const whole = await clientOf().responses.create(asked);
    const streamed = await clientOf().responses.stream(asked).finalResponse();
    for (const { output } of [whole, streamed])
      expect(output.map((each) => each.type === 'function_call' && each.arguments)).toEqual(both);
  });

  // compat(sluice): tools
  test('for the SDK of Sluice', async () => {
    const { client } = recordedClient(`${url.replace('http', 'ws')}/v1/ws`);
    const generation = client.session(randomUUID()).prompt(named(name));
    await generation.done;
    expect(generation.toolCalls.map((each) => each.arguments)).toEqual(both);
    await client.close();
  });
});
