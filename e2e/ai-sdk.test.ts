/** The real AI SDK against the real system: its transports and ours, with connections that break. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { Bus } from '@sluice/bus';
import { SluiceChatTransport } from '@sluice/client/ai-sdk';
import { parseOrg, parseSessionId } from '@sluice/protocol';
import { startFaultProxy, waitFor } from '@sluice/testkit';
import type { FaultProxy } from '@sluice/testkit';
import { openChat, textOf, TRANSPORTS } from './support/chats.ts';
import type { Ask, OpenChat, TransportName } from './support/chats.ts';
import { keyOf, ORG, storedText, tokenFor } from './support/clients.ts';
import { GatedEngine } from './support/gated-engine.ts';
import { startSystem } from './support/system.ts';
import type { System } from './support/system.ts';

const KILLS = 50;
/** How much an answer grows between two kills, and in all. */
const TOKENS_PER_KILL = 20;
const TOKENS = (KILLS + 5) * TOKENS_PER_KILL;
const ASK: Ask = { tokens: TOKENS };

const engine = new GatedEngine();
let system: System;
let bus: Bus;
let url: string;
const proxies: FaultProxy[] = [];
const chats: OpenChat[] = [];

beforeAll(async () => {
  system = await startSystem();
  bus = await system.bus();
  ({ url } = await system.addEdge());
  await system.addWorker(engine);
});
afterEach(async () => {
  await Promise.all(chats.splice(0).map((chat) => chat.close()));
  await Promise.all(proxies.splice(0).map((proxy) => proxy.close()));
});
afterAll(() => system.close());

const open = (
  name: TransportName,
  id: string,
  ask: Ask,
  { through = url, ...more }: { through?: string; onAbort?: 'cancel' } = {},
): OpenChat => {
  const chat = openChat(name, through, { id, ask, ...more });
  chats.push(chat);
  return chat;
};

const fragile = async (): Promise<FaultProxy> => {
  const proxy = await startFaultProxy({ target: { host: '127.0.0.1', port: Number(new URL(url).port) } });
  proxies.push(proxy);
  return proxy;
};

const grown = (chat: OpenChat, beyond: number): Promise<unknown> =>
  waitFor(() => chat.text().length > beyond, { what: 'more text', pollMs: 1, timeoutMs: 30_000 });

const itemsOf = async (session: string) => {
  const { items } = await bus.sessions.items({ org: parseOrg(ORG), session: parseSessionId(session) }, 0);
  return items.map(({ item }) => item).filter((item) => item.kind === 'generation');
};

/** The one generation of a chat, once it is done. */
const finished = (session: string) =>
  waitFor(async () => (await itemsOf(session)).find(({ status }) => status === 'done'), {
    what: 'the generation to be done',
  });

/** Asks what the gate of this chat is named after. */
const ask = (chat: OpenChat): Promise<void> => chat.chat.sendMessage({ text: chat.chat.id });

/** Kills every connection again and again while an answer comes, and has the page resume it. */
const killed = async (chat: OpenChat, proxy: FaultProxy): Promise<void> => {
  const { id } = chat.chat;
  engine.open(id, 0);
  let answered = ask(chat);
  for (let kill = 0, seen = 0; kill < KILLS; kill += 1) {
    engine.open(id, (kill + 1) * TOKENS_PER_KILL);
    await grown(chat, seen);
    seen = chat.text().length;
    // What has grown may have been on its way at the last kill: this one has to hit something, too.
    await waitFor(() => proxy.connections > 0, { what: 'a connection', pollMs: 1, timeoutMs: 30_000 });
    proxy.cutAll({ rst: kill % 2 === 1 });
    if (chat.transport instanceof SluiceChatTransport) continue;
    await answered;
    expect(chat.chat.status).toBe('error');
    answered = chat.chat.resumeStream();
  }
  engine.open(id, Infinity);
  await answered;
};

/** One chat whose connection is killed all the time: what it shows in the end, and what it should. */
const survived = async (name: TransportName): Promise<{ shown: unknown; stored: unknown }> => {
  const proxy = await fragile();
  const id = randomUUID();
  const chat = open(name, id, ASK, { through: proxy.url('http') });
  await killed(chat, proxy);
  expect(proxy.accepted).toBeGreaterThan(KILLS);
  const item = await finished(id);
  expect(await itemsOf(id)).toHaveLength(1);
  expect(item).toMatchObject({ seq: TOKENS, reason: 'stop' });
  const [question, ...answers] = chat.chat.messages;
  const { status, error } = chat.chat;
  return {
    shown: [name, status, error, question?.role, answers.map((answer) => [answer.id, textOf(answer)])],
    stored: [name, 'ready', undefined, 'user', [[item.id, await storedText(bus, keyOf(id, item.id))]]],
  };
};

test(`chats whose connection is killed ${KILLS} times show one answer each, exactly the stored one`, async () => {
  // Side by side: most of the time goes by waiting for reconnects.
  for (const { shown, stored } of await Promise.all(TRANSPORTS.map(survived))) expect(shown).toEqual(stored);
}, 120_000);

describe.each(TRANSPORTS)('a chat over %s', (name) => {
  // compat(use-chat): chat stream, resume
  test('goes on when its page is left, and a second tab resumes it', async () => {
    const id = randomUUID();
    const first = open(name, id, ASK);
    engine.open(id, TOKENS_PER_KILL);
    const answered = ask(first);
    await grown(first, 0);
    const second = open(name, id, ASK);
    const followed = second.chat.resumeStream();
    await grown(second, 0);
    // What a component does that is unmounted.
    await first.chat.stop();
    await answered;
    engine.open(id, Infinity);
    await followed;
    const item = await finished(id);
    expect(item).toMatchObject({ reason: 'stop', seq: TOKENS });
    expect(second.chat.messages.map((message) => [message.id, textOf(message)])).toEqual([
      [item.id, await storedText(bus, keyOf(id, item.id))],
    ]);
    const late = open(name, id, ASK);
    await late.chat.resumeStream();
    expect([late.chat.status, late.chat.messages]).toEqual(['ready', []]);
  }, 60_000);

  test('finds its answer when it asks the same again, and another one when it asks for that', async () => {
    const id = randomUUID();
    const first = open(name, id, ASK);
    await ask(first);
    const [question, answer] = first.chat.messages;
    const again = open(name, id, ASK);
    again.chat.messages = question === undefined ? [] : [question];
    await again.chat.sendMessage();
    expect(again.chat.messages).toEqual([question, answer]);
    expect(await itemsOf(id)).toHaveLength(1);
    await again.chat.regenerate();
    expect(await itemsOf(id)).toHaveLength(2);
    expect(again.chat.messages).toHaveLength(2);
    expect(again.chat.lastMessage?.id).not.toBe(answer?.id);
  }, 60_000);

  // compat(use-chat): abort
  test('stops the worker when it is told to stop', async () => {
    const id = randomUUID();
    const chat = open(name, id, ASK);
    engine.open(id, TOKENS_PER_KILL);
    const answered = ask(chat);
    await grown(chat, 0);
    if (chat.transport instanceof SluiceChatTransport) await chat.transport.cancel(id);
    else {
      const headers = { authorization: `Bearer ${tokenFor('ann')}` };
      expect(await fetch(`${url}/api/chat/${id}/stop`, { method: 'POST', headers })).toMatchObject({
        status: 202,
      });
    }
    await answered;
    const item = await finished(id);
    expect(item).toMatchObject({ reason: 'cancelled' });
    expect(item.seq).toBeLessThanOrEqual(TOKENS_PER_KILL);
    expect(chat.text()).toBe(await storedText(bus, keyOf(id, item.id)));
  }, 60_000);
});

test('our transport stops the worker at an abort if that is wanted', async () => {
  const id = randomUUID();
  const chat = open('sluice', id, ASK, { onAbort: 'cancel' });
  engine.open(id, TOKENS_PER_KILL);
  const answered = ask(chat);
  await grown(chat, 0);
  await chat.chat.stop();
  await answered;
  expect(await finished(id)).toMatchObject({ reason: 'cancelled' });
}, 60_000);

// compat(use-chat): reasoning, tools
test('reasoning and the call of a tool arrive, and its result is a later step of the same message', async () => {
  const call = { name: 'weather', arguments: { in: 'Rome' } };
  for (const name of TRANSPORTS) {
    const id = randomUUID();
    const first = open(name, id, { tokens: 20, reasoningTokens: 10, toolCall: call });
    await first.chat.sendMessage({ text: 'Wet?' });
    const types = first.chat.lastMessage?.parts.map(({ type }) => type);
    expect(types).toEqual(['step-start', 'reasoning', 'text', 'tool-weather']);
    const called = first.chat.lastMessage?.parts.at(-1) as {
      toolCallId: string;
      input: unknown;
      state: string;
    };
    expect(called).toMatchObject({ input: call.arguments, state: 'input-available' });
    await first.chat.addToolOutput({
      tool: 'weather',
      toolCallId: called.toolCallId,
      output: 'wet',
    } as never);
    await first.chat.sendMessage();
    expect([first.chat.status, first.chat.error, first.chat.messages.length]).toEqual([
      'ready',
      undefined,
      2,
    ]);
    const [step, later] = await itemsOf(id);
    expect([step?.id, later?.id.split('--')[0]]).toEqual([first.chat.lastMessage?.id, step?.id]);
    const prompt = await bus.sessions.prompt(keyOf(id, later?.id ?? ''));
    expect(prompt?.body.messages?.at(-1)).toMatchObject({ role: 'tool', content: 'wet' });
  }
}, 60_000);
