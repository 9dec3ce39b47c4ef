/** What engines say beside their text, through a worker and an edge, to the clients that people use and back again. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startMockServer } from '@sluice/simulator';
import type { MockRequest, MockServer } from '@sluice/simulator';
import { OpenAiEngine } from '@sluice/worker';
import { waitFor } from '@sluice/testkit';
import OpenAI from 'openai';
import { openChat, TRANSPORTS } from './support/chats.ts';
import { tokenFor } from './support/clients.ts';
import { startSystem } from './support/system.ts';
import type { System } from './support/system.ts';

const MODEL = 'simulated';
const chunk = (delta: object, finish_reason: string | null = null): string =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason }] })}\n\n`;
const DONE = 'data: [DONE]\n\n';
const USAGE = 'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n';

const CITED = { type: 'url_citation', url_citation: { url: 'https://a.example', title: 'A' } };
const PIXEL = 'data:image/png;base64,AAEC';
const SIGNED = { google: { thought_signature: 'sealed call' } };
const DETAILS = [{ type: 'reasoning.text', text: 'hm', index: 0, signature: 'sealed thought' }];

/** By the name in the newest message of a person. */
const STREAMS: Readonly<Record<string, string>> = {
  refusal: chunk({ content: null, refusal: 'I will ' }) + chunk({ refusal: 'not.' }, 'stop') + DONE,
  sources: chunk({ content: 'It is so.', annotations: [CITED] }) + chunk({}, 'stop') + USAGE + DONE,
  image:
    chunk({ content: 'Look:' }) +
    chunk({ images: [{ type: 'image_url', image_url: { url: PIXEL } }] }, 'stop') +
    DONE,
  'a large image':
    chunk({ images: [{ image_url: { url: `data:image/png;base64,${'A'.repeat(700_000)}` } }] }, 'stop') +
    DONE,
  'a sealed call':
    chunk({ reasoning_details: DETAILS }) +
    chunk({
      tool_calls: [{ index: 0, id: 'c1', function: { name: 'f', arguments: '' }, extra_content: SIGNED }],
    }) +
    chunk({ tool_calls: [{ index: 0, function: { arguments: '{}' } }] }, 'tool_calls') +
    DONE,
  audio: chunk({ content: 'Hi', audio: { id: 'a', data: 'AAAA' } }, 'stop') + DONE,
  'lines of a table': chunk({ content: '"","a","",""\n'.repeat(770) }).repeat(52) + chunk({}, 'stop') + DONE,
  'the end first': chunk({ content: 'a' }, 'stop') + chunk({ content: 'b' }) + USAGE + DONE,
  'two choices':
    'data: {"choices":[{"index":0,"delta":{"content":"a"}},{"index":1,"delta":{"content":"x"}}]}\n\n' +
    chunk({}, 'stop') +
    DONE,
  'another choice alone':
    'data: {"choices":[{"index":1,"delta":{"content":"x"}}]}\n\n' + chunk({ content: 'a' }, 'stop') + DONE,
  'a mark, CRs and lines of data':
    '\ufeff' +
    'id: 7\r\nevent: message\r\ndata: {"choices":\r\ndata: [{"delta":{"role":"assistant","content":"a"}}]}\r\n\r\n' +
    chunk({ role: 'assistant', content: 'ä' }).replaceAll('\n', '\r') +
    chunk({}, '') +
    chunk({}, 'eos') +
    DONE,
};

let system: System;
let mock: MockServer;
let url: string;

const saidIn = ({ body }: MockRequest): string =>
  JSON.stringify(
    (body['messages'] as { readonly role: string; readonly content: unknown }[]).findLast(
      ({ role }) => role === 'user',
    )?.content,
  );
const messagesOf = (request: MockRequest | undefined): Record<string, unknown>[] =>
  request?.body['messages'] as Record<string, unknown>[];

beforeAll(async () => {
  mock = await startMockServer({
    simulated: { tokens: 3 },
    faults: (request) => {
      const isAnswered = messagesOf(request).at(-1)?.['role'] === 'tool';
      const stream = STREAMS[/play ([^#]+)#/.exec(saidIn(request))?.[1] ?? ''];
      return stream === undefined || isAnswered ? {} : { stream };
    },
  });
  system = await startSystem();
  ({ url } = await system.addEdge());
  await system.addWorker(new OpenAiEngine({ upstream: mock.url }));
  // An edge looks every other second who is there.
  await waitFor(async () => (await clientOf().models.list()).data[0], { what: 'a model' });
});
afterAll(async () => {
  await system.close();
  await mock.close();
});

const clientOf = (): OpenAI => new OpenAI({ baseURL: `${url}/v1`, apiKey: tokenFor('ann'), maxRetries: 0 });
const play = (name: string): string => `play ${name}#${randomUUID()}`;
const user = (content: string) => ({ role: 'user' as const, content });

/** The answer's message, streamed and not. */
const messages = async (name: string): Promise<OpenAI.ChatCompletionMessage[]> => {
  const asked = { model: MODEL, messages: [user(play(name))] };
  const whole = await clientOf().chat.completions.create(asked);
  const streamed = await clientOf().chat.completions.stream(asked).finalChatCompletion();
  return [whole, streamed].flatMap(({ choices }) => choices.map(({ message }) => message));
};
const outputs = async (name: string): Promise<OpenAI.Responses.ResponseOutputItem[][]> => {
  const asked = { model: MODEL, input: play(name) };
  const whole = await clientOf().responses.create(asked);
  const streamed = await clientOf().responses.stream(asked).finalResponse();
  return [whole.output, streamed.output];
};

describe('an answer through the chat completions', () => {
  test('is a refusal', async () => {
    for (const message of await messages('refusal'))
      expect([message.content ?? '', message.refusal]).toEqual(['', 'I will not.']);
  });

  test('has its sources', async () => {
    for (const message of await messages('sources'))
      expect(message).toMatchObject({ content: 'It is so.', annotations: [CITED] });
  });

  test('has its images, of any size that an event may have', async () => {
    for (const message of await messages('image'))
      expect(message).toMatchObject({ content: 'Look:', images: [{ image_url: { url: PIXEL } }] });
    for (const message of await messages('a large image'))
      expect(JSON.stringify(message).length).toBeGreaterThan(700_000);
  });

  test('says by name what is left out', async () => {
    for (const message of await messages('audio'))
      expect(message).toMatchObject({
        content: 'Hi',
        parts: [{ type: 'left_out', data: { field: 'audio' } }],
      });
  });

  test('gives the server back what it sealed', async () => {
    for (const message of await messages('a sealed call')) {
      expect(message).toMatchObject({
        reasoning_details: DETAILS,
        tool_calls: [{ id: 'c1', extra_content: SIGNED, function: { name: 'f', arguments: '{}' } }],
      });
      const result = { role: 'tool' as const, tool_call_id: 'c1', content: '1' };
      const turns = [user(play('a sealed call')), message, result];
      await clientOf().chat.completions.create({ model: MODEL, messages: turns });
      expect(messagesOf(mock.requests.at(-1))[1]).toMatchObject({
        reasoning_details: DETAILS,
        tool_calls: [{ id: 'c1', extra_content: SIGNED }],
      });
    }
  });

  test.each([
    ['lines of a table', '"","a","",""\n'.repeat(52 * 770)],
    ['the end first', 'ab'],
    ['two choices', 'a'],
    ['another choice alone', 'a'],
    ['a mark, CRs and lines of data', 'aä'],
  ])('is whole: %s', async (name, content) => {
    for (const message of await messages(name)) expect(message.content).toBe(content);
  });
});

describe('an answer through the Responses', () => {
  test('is a refusal', async () => {
    for (const output of await outputs('refusal'))
      expect(output).toMatchObject([{ content: [{ type: 'refusal', refusal: 'I will not.' }] }]);
  });

  test('has its sources and images', async () => {
    const { url: address, title } = CITED.url_citation;
    for (const output of await outputs('sources'))
      expect(output).toMatchObject([
        { content: [{ text: 'It is so.', annotations: [{ type: 'url_citation', url: address, title }] }] },
      ]);
    for (const output of await outputs('image'))
      expect(output).toMatchObject([
        { content: [{ text: 'Look:' }] },
        { type: 'image_generation_call', result: 'AAEC' },
      ]);
  });

  test('gives the server back what it sealed, said again or named', async () => {
    const asked = { model: MODEL, input: play('a sealed call') };
    const first = await clientOf().responses.create(asked);
    const result = { type: 'function_call_output' as const, call_id: 'c1', output: '1' };
    const names = first.output.map(({ id }) => ({ type: 'item_reference' as const, id: id ?? '' }));
    const again = [
      {
        input: [
          user(play('a sealed call')),
          ...(first.output as OpenAI.Responses.ResponseInputItem[]),
          result,
        ],
      },
      { input: [user(play('a sealed call')), ...names, result] },
      { input: [result], previous_response_id: first.id },
    ];
    for (const more of again) {
      await clientOf().responses.create({ model: MODEL, ...more });
      expect(messagesOf(mock.requests.at(-1))[1]).toMatchObject({
        reasoning_details: DETAILS,
        tool_calls: [{ id: 'c1', extra_content: SIGNED }],
      });
    }
  });
});

describe.each(TRANSPORTS)('an answer in a chat of the AI SDK over %s', (transport) => {
  const ask = async (name: string) => {
    const { chat, close } = openChat(transport, url, { id: randomUUID() });
    try {
      await chat.sendMessage({ text: play(name) });
      return chat.lastMessage;
    } finally {
      await close();
    }
  };

  test('is a refusal, has its sources and its images, and what the server sealed', async () => {
    expect(await ask('refusal')).toMatchObject({
      metadata: { refusal: true },
      parts: [{ type: 'step-start' }, { type: 'text', text: 'I will not.' }],
    });
    expect((await ask('sources'))?.parts).toContainEqual(
      expect.objectContaining({ type: 'source-url', url: 'https://a.example', title: 'A' }),
    );
    expect((await ask('image'))?.parts).toContainEqual({ type: 'file', mediaType: 'image/png', url: PIXEL });
    expect((await ask('a sealed call'))?.parts).toContainEqual(
      expect.objectContaining({
        type: 'tool-f',
        callProviderMetadata: { sluice: { extra_content: SIGNED } },
      }),
    );
  });
});
