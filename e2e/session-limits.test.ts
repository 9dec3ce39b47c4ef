/** What one session may hold, over two edges and a real NATS. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Bus } from '@sluice/bus';
import type { Edge } from '@sluice/edge';
import { openRawClient, waitFor } from '@sluice/testkit';
import type { RawClient } from '@sluice/testkit';
import { keyOf, tokenFor } from './support/clients.ts';
import { startSystem } from './support/system.ts';
import type { System } from './support/system.ts';

let system: System;
let bus: Bus;
let edges: readonly Edge[];
const clients: RawClient[] = [];

beforeAll(async () => {
  system = await startSystem();
  bus = await system.bus();
  edges = [await system.addEdge(), await system.addEdge()];
});
afterAll(async () => {
  for (const client of clients) client.terminate();
  await system.close();
});

const open = async (n: number): Promise<RawClient> => {
  const url = `ws://127.0.0.1:${edges[n % edges.length]?.port}/v1/ws`;
  const client = await openRawClient(url, { token: tokenFor(`user-${n}`) });
  clients.push(client);
  await client.nextFrame('ready');
  return client;
};
const openMany = (count: number): Promise<RawClient[]> =>
  Promise.all(Array.from({ length: count }, (_, n) => open(n)));

/** `ok`, or the error's code and message. */
const answerTo = async (client: RawClient, frame: Readonly<Record<string, unknown>>): Promise<string> => {
  const id = `ask-${client.transcript.length}-${Math.random().toString(36).slice(2)}`;
  client.send({ ...frame, id });
  const answer = await waitFor(
    () => client.frames().find((found) => (found.type === 'ok' || found.type === 'error') && found.re === id),
    { what: `an answer to ${String(frame['type'])}`, timeoutMs: 20_000 },
  );
  return answer.type === 'error' ? `${answer.code}: ${answer.message}` : 'ok';
};
const line = (session: string, message: string) => ({ type: 'message', session, message, text: 'hello' });
const prompt = (session: string, generation: string) => ({
  ...{ type: 'prompt', session, generation, input: 'hello', model: 'm' },
});
const FULL = 'quota_exceeded: session: expected at most 1000 items; start a new one';

/** Fills a session as another program would, or an edge that counted nothing. */
const fill = async (session: string, count: number): Promise<void> => {
  const ids = Array.from({ length: count }, (_, n) => `old-${n}`);
  const item = { kind: 'message' as const, user: 'old', createdAt: 1, text: 'before' };
  for (let from = 0; from < count; from += 100)
    await Promise.all(
      ids.slice(from, from + 100).map((id) => bus.sessions.createItem(keyOf(session, 'g'), { ...item, id })),
    );
};
const itemsIn = async (session: string): Promise<number> => {
  const key = keyOf(session, 'g');
  let count = 0;
  for (let rev = 0, more = true; more;) {
    const page = await bus.sessions.items(key, rev);
    count += page.items.length;
    ({ rev, more } = page);
  }
  return count;
};
const announce = () => bus.workers.announce({ worker: 'w', models: ['m'], slots: 1, running: [] });

const http = async (path: string, body?: object): Promise<{ status: number; text: string }> => {
  const headers = { authorization: `Bearer ${tokenFor('ann')}`, 'content-type': 'application/json' };
  const more = body === undefined ? {} : { method: 'PUT', body: JSON.stringify(body) };
  const response = await fetch(`${edges[0]?.url}/v1/sessions/${path}`, { headers, ...more });
  return { status: response.status, text: await response.text() };
};

test('80 connections that post at once at 960 of 1,000 items get 40 in, and the session goes on to work', async () => {
  await fill('rush', 960);
  await announce();
  const crowd = await openMany(80);
  const posts = crowd.map((client, n) =>
    answerTo(client, n % 4 === 0 ? prompt('rush', `new-${n}`) : line('rush', `new-${n}`)),
  );
  const answers = await Promise.all(posts);
  expect(answers.filter((answer) => answer !== 'ok' && answer !== FULL)).toEqual([]);
  expect(answers.filter((answer) => answer === 'ok')).toHaveLength(40);
  expect(await itemsIn('rush')).toBe(1_000);

  const late = await open(80);
  expect(await answerTo(late, { type: 'subscribe', session: 'rush' })).toBe('ok');
  expect((await http('rush')).status).toBe(200);
  const admitted = answers.findIndex((answer, n) => n % 4 !== 0 && answer === 'ok');
  expect(await answerTo(crowd[admitted] ?? late, line('rush', `new-${admitted}`))).toBe('ok');
  await announce();
  expect((await http('rush/generations/more', { input: 'x', model: 'm' })).text).toContain('1000 items');
  expect((await http('calm/generations/one', { input: 'x', model: 'm' })).status).toBe(201);
  expect((await http('calm/generations/one', { input: 'x', model: 'm' })).status).toBe(200);
}, 60_000);

test('a session that another program filled beyond the limit lists, subscribes and refuses clearly', async () => {
  await fill('beyond', 1_200);
  await announce();
  const client = await open(0);
  expect(await answerTo(client, { type: 'subscribe', session: 'beyond' })).toBe('ok');
  expect((await http('beyond')).status).toBe(200);
  expect(await answerTo(client, line('beyond', 'one'))).toBe(FULL);
  expect(await answerTo(client, prompt('beyond', 'two'))).toBe(FULL);
  expect(await itemsIn('beyond')).toBe(1_200);
}, 60_000);

test('a limit holds over a restart of NATS', async () => {
  await fill('restart', 990);
  const [one, two] = [await open(0), await open(1)];
  for (const n of [1, 2, 3]) expect(await answerTo(one, line('restart', `a${n}`))).toBe('ok');
  await system.nats.restart();
  await waitFor(() => bus.link.connected, { what: 'the bus to be back' });
  const again = async (n: number): Promise<string> => {
    for (;;) {
      const answer = await answerTo(n % 2 ? one : two, line('restart', `b${n}`));
      if (!answer.startsWith('unavailable')) return answer;
    }
  };
  const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => again(n)));
  expect(answers.filter((answer) => answer === 'ok')).toHaveLength(7);
  expect(await itemsIn('restart')).toBe(1_000);
}, 60_000);
