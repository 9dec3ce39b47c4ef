/** What applications on the AI SDK send and are told: through every transport, an edge, a worker and a model's server. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { uiMessagesOf } from '@sluice/client/ai-sdk';
import { startMockServer } from '@sluice/simulator';
import type { MockFaults, MockRequest, MockServer } from '@sluice/simulator';
import { OpenAiEngine } from '@sluice/worker';
import { waitFor } from '@sluice/testkit';
import { Chat } from '@ai-sdk/react';
import { DefaultChatTransport, WebSocketChatTransport } from 'ai';
import type { UIMessage } from 'ai';
import WebSocket from 'ws';
import { openChat, textOf, TRANSPORTS } from './support/chats.ts';
import type { ChatSetup, OpenChat, TransportName } from './support/chats.ts';
import { recordedClient, tokenFor } from './support/clients.ts';
import { startSystem } from './support/system.ts';
import type { System } from './support/system.ts';

let system: System;
let mock: MockServer;
let url: string;
/** what the model's server does, by the newest question */
const plays = new Map<string, (request: MockRequest) => MockFaults>();
const chats: OpenChat[] = [];
const closers: (() => Promise<void>)[] = [];

const listsModels = async (): Promise<boolean> => {
  const headers = { authorization: `Bearer ${tokenFor('ann')}` };
  const answer = await fetch(`${url}/v1/models`, { headers });
  return (await answer.text()).includes('simulated');
};

beforeAll(async () => {
  mock = await startMockServer({
    simulated: { tokens: 5 },
    faults: (request) => plays.get(questionIn(request))?.(request) ?? {},
  });
  system = await startSystem();
  ({ url } = await system.addEdge());
  await system.addWorker(new OpenAiEngine({ upstream: mock.url }));
  await waitFor(listsModels, { what: 'the edge to know the model' });
});
afterEach(async () => {
  await Promise.all(chats.splice(0).map((chat) => chat.close()));
  await Promise.all(closers.splice(0).map((close) => close()));
});
afterAll(async () => {
  await system.close();
  await mock.close();
});

type Said = { readonly role: string; readonly content: unknown };
const saidIn = ({ body }: MockRequest): readonly Said[] => body['messages'] as readonly Said[];
const questionIn = (request: MockRequest): string =>
  String(saidIn(request).findLast(({ role }) => role === 'user')?.content);

const CALL = { id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"in":"Rome"}' } };
const event = (fields: object): string => `data: ${JSON.stringify(fields)}\n\n`;
const finished = (delta: object, finish_reason: string): string =>
  `${event({ choices: [{ index: 0, delta, finish_reason }] })}data: [DONE]\n\n`;
/** Calls the tool, and says what came of it when there is a result. */
const callsOnce = (request: MockRequest): MockFaults => {
  const hasResult = saidIn(request).at(-1)?.role === 'tool';
  const called = finished({ tool_calls: [{ index: 0, ...CALL }] }, 'tool_calls');
  return { stream: hasResult ? finished({ content: 'It is wet.' }, 'stop') : called };
};

const saidBy = ({ parts }: UIMessage): string =>
  parts.map((part) => (part.type === 'text' ? part.text : '')).join('');

const open = (name: TransportName, setup: Partial<ChatSetup> = {}): OpenChat => {
  const chat = openChat(name, url, { id: randomUUID(), ...setup });
  chats.push(chat);
  return chat;
};

/** Sends a line. @returns what the model's server was asked, if it was */
const asked = async (
  { chat }: OpenChat,
  text: string,
  body: object = {},
): Promise<MockRequest | undefined> => {
  const { length } = mock.requests;
  await chat.sendMessage({ text }, { body });
  return mock.requests[length];
};

const BROKEN = { message: 'no more of it', code: 'overheated' };
const PIXEL = 'data:image/png;base64,iVBORw0KGgo=';
const WEATHER = { description: 'How it is', parameters: { type: 'object', properties: {} } };

describe.each(TRANSPORTS)('a chat over %s', (name) => {
  test('honours what stands at the top of its body, of the transport and of one message', async () => {
    const chat = open(name, { body: { system: 'Be brief.', temperature: 0.5, tools: { weather: WEATHER } } });
    const request = await asked(chat, 'Wet?', { topP: 0.5, toolChoice: 'none' });
    expect(chat.chat.error).toBeUndefined();
    expect(request?.body).toMatchObject({
      ...{ temperature: 0.5, top_p: 0.5, tool_choice: 'none' },
      tools: [{ type: 'function', function: { name: 'weather', ...WEATHER } }],
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Wet?' },
      ],
    });
  });

  // compat(use-chat): history
  test('takes the history from the session where it is told to', async () => {
    const id = randomUUID();
    const first = open(name, { id });
    await asked(first, 'One?');
    const one = first.text();
    expect(one).not.toBe('');
    const second = open(name, { id, body: { history: 'session', system: 'Be brief.' } });
    const before = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'One?' },
      { role: 'assistant', content: one },
      { role: 'user', content: 'Two?' },
    ];
    expect((await asked(second, 'Two?'))?.body['messages']).toEqual(before);
    const two = second.text();
    // A page has more messages by now: what is new is asked.
    expect((await asked(second, 'Three?'))?.body['messages']).toEqual([
      ...before,
      { role: 'assistant', content: two },
      { role: 'user', content: 'Three?' },
    ]);
  });

  test('shows the model no answer that was made again, and a question once', async () => {
    const chat = open(name, { body: { history: 'session' } });
    await asked(chat, 'One?');
    const { length } = mock.requests;
    await chat.chat.regenerate();
    const question = { role: 'user', content: 'One?' };
    expect(mock.requests[length]?.body['messages']).toEqual([question]);
    const answer = { role: 'assistant', content: chat.text() };
    expect((await asked(chat, 'Two?'))?.body['messages']).toEqual([
      question,
      answer,
      { role: 'user', content: 'Two?' },
    ]);
  });

  test('shows a question once, with its newest answer and all its steps, when its page is loaded again', async () => {
    plays.set('Wet here?', callsOnce);
    const id = randomUUID();
    const { chat } = open(name, { id });
    await chat.sendMessage({ text: 'Wet here?' });
    await chat.addToolOutput({ tool: 'weather', toolCallId: CALL.id, output: 'wet' } as never);
    await chat.sendMessage();
    await chat.sendMessage({ text: 'One?' });
    await chat.regenerate({ messageId: chat.lastMessage?.id as string });
    await chat.regenerate();
    const { client } = recordedClient(url);
    closers.push(() => client.close());
    const session = client.session(id);
    await session.subscribe();
    const shown = uiMessagesOf(session.items.values());
    const told = (messages: readonly UIMessage[]): unknown =>
      messages.map((message) => [message.id, message.role, saidBy(message)]);
    expect(told(shown)).toEqual(told(chat.messages));
    expect(told(shown)).toHaveLength(4);
  });

  test('goes on with the session after the result of a tool', async () => {
    plays.set('Wet in Rome?', callsOnce);
    const chat = open(name, { body: { history: 'session' } });
    await asked(chat, 'Wet in Rome?');
    const { length } = mock.requests;
    await chat.chat.addToolOutput({ tool: 'weather', toolCallId: CALL.id, output: 'wet' } as never);
    await chat.chat.sendMessage();
    const turn = [
      { role: 'user', content: 'Wet in Rome?' },
      { role: 'assistant', content: null, tool_calls: [CALL] },
      { role: 'tool', tool_call_id: CALL.id, content: 'wet' },
    ];
    expect(mock.requests[length]?.body['messages']).toEqual(turn);
    expect((await asked(chat, 'Sure?'))?.body['messages']).toEqual([
      ...turn,
      { role: 'assistant', content: 'It is wet.' },
      { role: 'user', content: 'Sure?' },
    ]);
  });

  test.each(['approval-requested', 'approval-responded'])(
    'says that calls cannot be approved yet, where one is sent in state %s',
    async (state) => {
      const chat = open(name);
      const part = { type: 'tool-weather', toolCallId: 'c1', state, input: {}, approval: { id: 'a1' } };
      chat.chat.messages = [
        { id: 'u1', role: 'user', parts: [{ type: 'text', text: 'Wet?' }] },
        { id: 'a1', role: 'assistant', parts: [part as never] },
      ];
      const { length } = mock.requests;
      await chat.chat.sendMessage();
      expect(mock.requests).toHaveLength(length);
      expect(chat.chat.status).toBe('error');
      expect(chat.chat.error?.message).toMatch(/approv.+not supported yet/);
    },
  );

  // compat(use-chat): error status, usage
  test('is told a failure in the words of the model’s server, and what was used', async () => {
    const error = { message: 'maximum context length is 8192 tokens', code: 'context_length_exceeded' };
    plays.set('Too long?', () => ({ status: 400, errorBody: JSON.stringify({ error }) }));
    const chat = open(name);
    await asked(chat, 'Too long?');
    expect(chat.chat.error?.message).toBe(error.message);
    expect(chat.chat.lastMessage?.metadata).toMatchObject({ error });
    const other = open(name);
    await asked(other, 'Fine?');
    expect(other.chat.lastMessage?.metadata).toMatchObject({
      usage: { inputTokens: expect.any(Number), outputTokens: 5 },
    });
  });

  // compat(use-chat): error in stream
  test('is told a failure in the middle, and keeps the text before it', async () => {
    plays.set('Break off?', () => ({
      stream: event({ choices: [{ index: 0, delta: { content: 'It was' } }] }) + event({ error: BROKEN }),
    }));
    const chat = open(name);
    await asked(chat, 'Break off?');
    expect(chat.chat.error?.message).toContain(BROKEN.message);
    expect(chat.text()).toBe('It was');
  });

  // compat(use-chat): parts
  test('sends pictures and files to the model’s server', async () => {
    const chat = open(name);
    const { length } = mock.requests;
    await chat.chat.sendMessage({
      text: 'What is it?',
      files: [{ type: 'file', mediaType: 'image/png', url: PIXEL }],
    });
    expect(chat.chat.error).toBeUndefined();
    expect(mock.requests[length]?.body['messages']).toMatchObject([
      { role: 'user', content: expect.arrayContaining([{ type: 'image_url', image_url: { url: PIXEL } }]) },
    ]);
  });

  test('refuses by its name what is not honoured', async () => {
    const chat = open(name, { body: { userId: 'ann' } });
    expect(await asked(chat, 'Wet?')).toBeUndefined();
    expect(chat.chat.status).toBe('error');
    expect(chat.chat.error?.message).toContain('`userId`');
  });
});

describe('a chat that sends its newest message alone', () => {
  const headers = { authorization: `Bearer ${tokenFor('ann')}` };
  const chatWith = (id: string, transport: 'http' | 'websocket'): OpenChat['chat'] => {
    if (transport === 'websocket') {
      const socket = new WebSocketChatTransport({
        ...{ url: `${url}/v1/ai-sdk`, headers, webSocket: WebSocket as never },
        prepareSendMessagesRequest: ({ messages }) => ({ body: { message: messages.at(-1) } }),
      });
      closers.push(async () => socket.close());
      return new Chat<UIMessage>({ id, transport: socket });
    }
    // As the SDK's documentation has it.
    const prepareSendMessagesRequest = ({
      messages,
      trigger,
      messageId,
    }: {
      readonly messages: UIMessage[];
      readonly trigger: string;
      readonly messageId: string | undefined;
    }) => ({
      body: {
        ...{ id, trigger, messageId },
        ...(trigger === 'submit-message' ? { message: messages.at(-1) } : {}),
      },
    });
    return new Chat<UIMessage>({
      id,
      transport: new DefaultChatTransport({ api: `${url}/api/chat`, headers, prepareSendMessagesRequest }),
    });
  };

  test.each(['http', 'websocket'] as const)('has its history in the session, over %s', async (transport) => {
    const chat = chatWith(randomUUID(), transport);
    await chat.sendMessage({ text: 'One?' });
    const answer = textOf(chat.lastMessage);
    const { length } = mock.requests;
    await chat.sendMessage({ text: 'Two?' });
    expect(chat.error).toBeUndefined();
    expect(mock.requests[length]?.body['messages']).toEqual([
      { role: 'user', content: 'One?' },
      { role: 'assistant', content: answer },
      { role: 'user', content: 'Two?' },
    ]);
  });

  test.each([
    ['of the newest message', undefined],
    ['of a message that is named', 1],
  ])('gets another answer %s, of what was said then', async (_, named) => {
    const chat = chatWith(randomUUID(), 'http');
    await chat.sendMessage({ text: 'One?' });
    await chat.sendMessage({ text: 'Two?' });
    const [first = '', second = ''] = chat.messages
      .filter(({ role }) => role === 'assistant')
      .map(({ id: own }) => own);
    const { length } = mock.requests;
    await chat.regenerate(named === undefined ? {} : { messageId: first });
    expect(chat.error).toBeUndefined();
    expect([first, second]).not.toContain(chat.lastMessage?.id);
    const said = mock.requests[length] && saidIn(mock.requests[length]);
    expect(said?.filter(({ role }) => role === 'user')).toEqual(
      ['One?', 'Two?'].slice(0, named).map((content) => ({ role: 'user', content })),
    );
  });
});
