/** One org, or one user of an org, asks for more than there are slots: the others get their turns nevertheless. */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { parseOrg } from '@sluice/protocol';
import type { Edge } from '@sluice/edge';
import { startMockServer } from '@sluice/simulator';
import type { MockServer, SimulatedOptions } from '@sluice/simulator';
import { openRawClient, waitFor } from '@sluice/testkit';
import type { RawClient } from '@sluice/testkit';
import { OpenAiEngine } from '@sluice/worker';
import type { Worker } from '@sluice/worker';
import { tokenFor } from '../support/clients.ts';
import { startSystem } from '../support/system.ts';
import type { System } from '../support/system.ts';
import { nth, tell } from './figures.ts';
import { sized } from './size.ts';

const SLOTS = 4;

let system: System;
let edge: Edge;
let server: MockServer;
let worker: Worker;
let clients: RawClient[];

beforeEach(async () => {
  clients = [];
  system = await startSystem();
});
afterEach(async () => {
  for (const client of clients) client.terminate();
  await system.close();
  await server.close();
});

/** A worker with four slots, before a server that speaks OpenAI's API, and an edge that knows it. */
const start = async (profile: 'openai' | 'vllm', simulated: SimulatedOptions): Promise<void> => {
  server = await startMockServer({ quirks: profile === 'vllm' ? 'vllm' : 'openai', simulated });
  worker = await system.addWorker(new OpenAiEngine({ upstream: server.url, profile }), { slots: SLOTS });
  edge = await system.addEdge();
};

const connect = async (org: string, user = 'ann'): Promise<RawClient> => {
  const client = await openRawClient(`${edge.url}/v1/ws`, { token: tokenFor(user, org) });
  clients.push(client);
  return client;
};

type Asking = { readonly session: string; readonly input?: string; readonly onAbandon?: 'finish' };

const prompt = (client: RawClient, asking: Asking): string => {
  const generation = randomUUID();
  client.send({ type: 'prompt', generation, input: 'go', ...asking });
  return generation;
};

/** How long the first token of a new prompt takes, ms. Its run is cancelled then. */
const firstToken = async (client: RawClient): Promise<number> => {
  const session = randomUUID();
  const from = performance.now();
  client.send({ type: 'subscribe', session });
  const generation = prompt(client, { session });
  await client.nextFrame('delta', 60_000);
  const ms = performance.now() - from;
  client.send({ type: 'cancel', session, generation });
  await client.nextFrame('end', 10_000);
  return ms;
};

const TRIALS = sized({ small: 3, long: 15 });

test.each([
  ['openai', 'whose viewer never acks', true],
  ['vllm', 'whose viewer never acks', true],
  ['openai', 'that finish without a viewer', false],
] as const)(
  'profile %s: 200 prompts %s keep no other org’s first token away',
  async (profile, how, isWatched) => {
    await start(profile, { ttftMs: 400, tokensPerSecond: 50, tokens: 3_000 });
    const neighbour = await connect('quiet');
    const alone: number[] = [];
    for (let n = 0; n < TRIALS; n += 1) alone.push(await firstToken(neighbour));
    const [attacker, bus] = [await connect('greedy'), await system.bus()];
    for (let n = 0; n < 200; n += 1) {
      const session = `s-${Math.floor(n / 10)}`;
      if (isWatched && n % 10 === 0) attacker.send({ type: 'subscribe', session });
      prompt(attacker, { session, ...(isWatched ? {} : { onAbandon: 'finish' }) });
    }
    const isQueued = async (): Promise<boolean> =>
      worker.running === SLOTS && (await bus.open.list(0)).open.length >= 200;
    await waitFor(isQueued, { what: 'the prompts to be queued, and all slots taken', timeoutMs: 20_000 });
    const beside: number[] = [];
    for (let n = 0; n < TRIALS; n += 1) beside.push(await firstToken(neighbour));
    const [before, after, worst] = [nth(alone, 0.5), nth(beside, 0.5), Math.max(...beside)];
    tell(`slots, ${profile}, 200 prompts ${how}`, {
      'first token alone ms': before,
      'beside them': after,
      worst,
    });
    expect(after).toBeLessThanOrEqual(2 * before);
  },
  120_000,
);

/** 1: all get the same. */
const jain = (shares: readonly number[]): number => {
  const sum = shares.reduce((total, share) => total + share, 0);
  return sum ** 2 / (shares.length * shares.reduce((total, share) => total + share ** 2, 0));
};

const TOKENS_EACH = 40;
const WINDOW_RUNS = sized({ small: 128, long: 1_024 });

/** Each party asks for so much that it always has something waiting. The first to ask has ten times as much. */
const flood = async (parties: readonly { readonly org: string; readonly user: string }[]): Promise<void> => {
  const each = Math.ceil((1.5 * WINDOW_RUNS) / parties.length);
  for (const [at, { org, user }] of parties.entries()) {
    const client = await connect(org, user);
    for (let n = 0; n < (at === 0 ? 10 : 1) * each; n += 1)
      prompt(client, { session: `${user}-${n % 20}`, input: `of ${user}`, onAbandon: 'finish' });
  }
};

const untilServed = async (): Promise<void> => {
  const made = (): number => worker.tally.orgs.total.tokens;
  const goal = made() + WINDOW_RUNS * TOKENS_EACH;
  await waitFor(() => made() >= goal, { what: 'the window to be served', timeoutMs: 200_000 });
};

test('16 orgs, one with ten times the demand, are served alike', async () => {
  await start('openai', { ttftMs: 5, tokensPerSecond: 200, tokens: TOKENS_EACH });
  const orgs = Array.from({ length: 16 }, (_, n) => `org-${n}`);
  await flood(orgs.map((org) => ({ org, user: 'ann' })));
  const served = (): number[] => orgs.map((org) => worker.tally.orgs.shown(parseOrg(org)).tokens);
  const before = served();
  await untilServed();
  const index = jain(served().map((tokens, at) => tokens - (before[at] ?? 0)));
  tell('16 orgs, one with 10 times the demand', { 'Jain of tokens': index.toFixed(3) });
  expect(index).toBeGreaterThanOrEqual(0.95);
}, 240_000);

test('users of one org, one with ten times the demand, take turns', async () => {
  await start('openai', { ttftMs: 5, tokensPerSecond: 200, tokens: TOKENS_EACH });
  const users = Array.from({ length: 8 }, (_, n) => `user-${n}`);
  await flood(users.map((user) => ({ org: 'acme', user })));
  const from = server.requests.length;
  await untilServed();
  const asked = server.requests.slice(from).map(({ body }) => JSON.stringify(body));
  const index = jain(users.map((user) => asked.filter((text) => text.includes(`of ${user}`)).length));
  tell('8 users of an org, one with 10 times the demand', { 'Jain of runs': index.toFixed(3) });
  expect(index).toBeGreaterThanOrEqual(0.95);
}, 240_000);
