/** What a user and an org may have and do holds over all edges, exactly. */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Edge, EdgeOptions } from '@sluice/edge';
import { parseOrg } from '@sluice/protocol';
import type { ErrorFrame, OkFrame, ServerFrame } from '@sluice/protocol';
import { SimulatedEngine } from '@sluice/simulator';
import { openRawClient, waitFor } from '@sluice/testkit';
import type { RawClient } from '@sluice/testkit';
import { tokenFor } from './support/clients.ts';
import { startSystem } from './support/system.ts';
import type { System } from './support/system.ts';

let system: System;
const clients: RawClient[] = [];
beforeEach(async () => {
  system = await startSystem();
  await system.addWorker(new SimulatedEngine({ tokensPerSecond: 1_000 }));
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.terminate();
  await system.close();
});

type Two = readonly [Edge, Edge];
const twoEdges = async (options: Partial<EdgeOptions>): Promise<Two> => {
  await untilMinuteBegins();
  return [await system.addEdge(options), await system.addEdge(options)];
};

/** A minute that ends in the middle of a test would allow twice as much. */
const untilMinuteBegins = (): Promise<unknown> =>
  waitFor(() => Date.now() % 60_000 < 30_000, { what: 'the first half of a minute', timeoutMs: 40_000 });

const open = async (edge: Edge, user: string, org = 'acme'): Promise<RawClient> => {
  const client = await openRawClient(`ws://127.0.0.1:${edge.port}/v1/ws`, { token: tokenFor(user, org) });
  clients.push(client);
  await client.nextFrame('ready');
  return client;
};

type Answer = OkFrame | ErrorFrame;
const ask = async (client: RawClient, frame: object): Promise<Answer> => {
  const id = randomUUID();
  client.send({ ...frame, id });
  const isAnswer = (each: ServerFrame): each is Answer =>
    (each.type === 'ok' || each.type === 'error') && each.re === id;
  return waitFor(() => client.frames().find(isAnswer), { what: 'an answer', timeoutMs: 20_000 });
};

const prompt = (tokens = 3) => ({
  ...{ type: 'prompt', session: `s-${randomUUID()}`, generation: randomUUID(), input: 'go' },
  params: { simulated: { tokens } },
});
const line = (text = 'hi') => ({
  ...{ type: 'message', session: `s-${randomUUID()}`, message: randomUUID(), text },
});

/** Frames over all clients at once. @returns how many were taken, and one of the refusals */
const flood = async (on: readonly RawClient[], frameOf: () => object, count: number) => {
  const asking = Array.from({ length: count }, (_, n) => ask(on[n % on.length] as RawClient, frameOf()));
  const answers = await Promise.all(asking);
  const refused = answers.filter((answer) => answer.type === 'error');
  return { taken: count - refused.length, refused: refused[0] };
};

describe('over two edges as much as the limit is taken, exactly:', () => {
  test.each([
    ['prompts of a user', { promptsPerMinute: 7 }, prompt, 'promptsPerMinute of this user: '],
    ['prompts of an org', { promptsPerMinutePerOrg: 7 }, prompt, 'promptsPerMinute of this org: '],
    ['lines of a user', { messagesPerMinute: 7 }, line, 'messagesPerMinute of this user: '],
    ['lines of an org', { messagesPerMinutePerOrg: 7 }, line, 'messagesPerMinute of this org: '],
    [
      'generations of a user',
      { maxGenerationsPerUser: 7 },
      () => prompt(100_000),
      'generations of this user: ',
    ],
    [
      'generations of an org',
      { maxGenerationsPerOrg: 7 },
      () => prompt(100_000),
      'generations of this org: ',
    ],
  ] as const)(
    '%s',
    async (_what, options, frameOf, message) => {
      const edges = await twoEdges(options);
      const isOfOrg = message.includes('org');
      const users = isOfOrg ? ['ann', 'bob'] : ['ann', 'ann'];
      const on = await Promise.all(edges.map((edge, n) => open(edge, users[n] as string)));
      const { taken, refused } = await flood(on, frameOf, 30);
      expect(taken).toBe(7);
      expect(refused).toMatchObject({ code: 'rate_limited', retryable: true });
      expect(refused?.message).toMatch(new RegExp(`^${message}\\d+ of 7 used$`));
      expect(refused?.retryAfterMs).toBeGreaterThan(0);
      expect(refused?.retryAfterMs).toBeLessThanOrEqual(60_000);
      const other = await open(edges[0], 'cleo', 'globex');
      expect(await ask(other, frameOf())).toMatchObject({ type: 'ok' });
    },
    90_000,
  );

  test('bytes, per minute and stored, of a user and of an org', async () => {
    const most = 50_000;
    const limits = ['bytesPerMinute', 'bytesPerMinutePerOrg', 'maxBytesPerUser', 'maxBytesPerOrg'] as const;
    const bus = await system.bus();
    for (const [index, limit] of limits.entries()) {
      const org = `org-${index}`;
      const edges = await twoEdges({ [limit]: most });
      const on = await Promise.all(edges.map((edge) => open(edge, 'ann', org)));
      const { taken, refused } = await flood(on, () => line('x'.repeat(4_000)), 30);
      // Each is a little over 4,000 as stored.
      expect([limit, taken]).toEqual([limit, Math.floor(most / 4_150)]);
      const isStored = limit.startsWith('max');
      expect(refused).toMatchObject({ code: isStored ? 'quota_exceeded' : 'rate_limited' });
      expect(refused?.message).toMatch(
        /^bytes(PerMinute|Stored) of this (user|org): \d+ of 50000 used, this needs 4\d\d\d$/,
      );
      expect(refused?.retryAfterMs).toBeGreaterThan(0);
      const stored = await bus.counters.read({ org: parseOrg(org), unit: 'bytes' });
      expect(stored?.value).toBeLessThanOrEqual(most);
    }
  }, 180_000);

  test('connections of a user and of an org, and one that leaves makes room on the other edge', async () => {
    const edges = await twoEdges({ maxConnectionsPerUser: 5, maxConnectionsPerOrg: 8 });
    const tryAll = async (user: string, count: number) => {
      const opening = Array.from({ length: count }, (_, n) => open(edges[n % 2] as Edge, user));
      const results = await Promise.allSettled(opening);
      return results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    };
    const first = await tryAll('ann', 20);
    expect(first).toHaveLength(5);
    expect(await tryAll('bob', 20)).toHaveLength(3);
    first[0]?.close();
    await waitFor(async () => (await tryAll('ann', 2)).length === 1, {
      what: 'room for one',
      timeoutMs: 20_000,
    });
    expect(await tryAll('cleo', 2)).toHaveLength(0);
  }, 90_000);

  test('what is set for an org holds at once on both', async () => {
    const edges = await twoEdges({ promptsPerMinute: 1_000 });
    const bus = await system.bus();
    await bus.orgs.write(parseOrg('acme'), { quota: { user: { promptsPerMinute: 4 } } }, 0);
    const on = await Promise.all(edges.map((edge) => open(edge, 'ann')));
    expect((await flood(on, prompt, 20)).taken).toBe(4);
  }, 90_000);
});

test('a generation that is done makes room for another one, whoever ended it', async () => {
  const edges = await twoEdges({ maxGenerationsPerUser: 2 });
  const [one, two] = await Promise.all(edges.map((edge) => open(edge, 'ann')));
  if (one === undefined || two === undefined) throw new Error('expected two clients');
  const [short, long] = [prompt(), prompt(100_000)];
  await ask(one, short);
  await ask(one, long);
  await one.nextFrame('end', 10_000);
  const isAdmitted = async (): Promise<boolean> => (await ask(two, prompt(100_000))).type === 'ok';
  await waitFor(isAdmitted, { what: 'room after an end', timeoutMs: 10_000 });
  expect(await ask(two, prompt())).toMatchObject({ type: 'error', code: 'rate_limited' });
  await ask(one, { type: 'cancel', session: long.session, generation: long.generation });
  await waitFor(isAdmitted, { what: 'room after a cancel', timeoutMs: 10_000 });
}, 90_000);

test('one user cannot fill a session that others share', async () => {
  const [edge] = await twoEdges({ maxItemsPerSession: 20, maxItemsPerUser: undefined });
  const [ann, bob] = await Promise.all([open(edge, 'ann'), open(edge, 'bob')]);
  if (ann === undefined || bob === undefined) throw new Error('expected two clients');
  const shared = () => ({ ...line('x'), session: 'shared' });
  const { taken, refused } = await flood([ann], shared, 40);
  expect(taken).toBe(16);
  expect(refused).toMatchObject({
    code: 'quota_exceeded',
    message: 'session: expected at most 16 items of one user; start a new one',
  });
  expect(await ask(bob, shared())).toMatchObject({ type: 'ok' });
}, 90_000);

test('every door takes from the same allowance, and says when to ask again', async () => {
  const [edge] = await twoEdges({ promptsPerMinute: 1 });
  const client = await open(edge, 'ann');
  expect(await ask(client, prompt())).toMatchObject({ type: 'ok' });
  const message = { role: 'user', content: 'go' };
  const uiMessage = { id: 'm1', role: 'user', parts: [{ type: 'text', text: 'go' }] };
  const doors = [
    ['PUT', `/v1/sessions/s/generations/${randomUUID()}`, { input: 'go' }],
    ['POST', '/v1/chat/completions', { model: 'simulated', messages: [message] }],
    ['POST', '/v1/responses', { model: 'simulated', input: 'go' }],
    ['POST', '/api/chat', { id: 'chat', messages: [uiMessage], trigger: 'submit-message' }],
  ] as const;
  for (const [method, path, body] of doors) {
    const headers = { authorization: `Bearer ${tokenFor('ann')}`, 'content-type': 'application/json' };
    const answer = await fetch(`${edge.url}${path}`, { method, headers, body: JSON.stringify(body) });
    expect([path, answer.status]).toEqual([path, 429]);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(Number(answer.headers.get('retry-after'))).toBeLessThanOrEqual(60);
    expect(await answer.text()).toContain('promptsPerMinute of this user: 1 of 1 used');
  }
}, 90_000);
