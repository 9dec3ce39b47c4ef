/** What applications on the AI SDK send and are told: through every transport, an edge, a worker and a model's server. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { startMockServer } from '@sluice/simulator';
import type { MockRequest, MockServer } from '@sluice/simulator';
import { OpenAiEngine } from '@sluice/worker';
import { waitFor } from '@sluice/testkit';
import { openChat, TRANSPORTS } from './support/chats.ts';
import type { ChatSetup, OpenChat, TransportName } from './support/chats.ts';
import { tokenFor } from './support/clients.ts';
import { startSystem } from './support/system.ts';
import type { System } from './support/system.ts';

let system: System;
let mock: MockServer;
let url: string;
const chats: OpenChat[] = [];

const listsModels = async (): Promise<boolean> => {
  const headers = { authorization: `Bearer ${tokenFor('ann')}` };
  const answer = await fetch(`${url}/v1/models`, { headers });
  return (await answer.text()).includes('simulated');
};

beforeAll(async () => {
  mock = await startMockServer({ simulated: { tokens: 5 } });
  system = await startSystem();
  ({ url } = await system.addEdge());
  await system.addWorker(new OpenAiEngine({ upstream: mock.url }));
  await waitFor(listsModels, { what: 'the edge to know the model' });
});
afterEach(() => Promise.all(chats.splice(0).map((chat) => chat.close())));
afterAll(async () => {
  await system.close();
  await mock.close();
});

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

  test('refuses by its name what is not honoured', async () => {
    const chat = open(name, { body: { userId: 'ann' } });
    expect(await asked(chat, 'Wet?')).toBeUndefined();
    expect(chat.chat.status).toBe('error');
    expect(chat.chat.error?.message).toContain('`userId`');
  });
});
