/** One ordinary user floods the edge as fast as its token allows. Other orgs must not notice. */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { ServerFrame } from '@sluice/protocol';
import { NO_QUOTAS_ENV, openRawClient, startNatsServer } from '@sluice/testkit';
import type { NatsServer, RawClient } from '@sluice/testkit';
import { tokenFor } from '../support/clients.ts';
import { spawnEdge, spawnWorker } from '../support/processes.ts';
import { nth, tell } from './figures.ts';
import { isLong, sized } from './size.ts';

const MIB = 1024 * 1024;
/** Small, so that what took minutes takes seconds. */
const STORE_BYTES = String(40 * MIB);
const SOCKETS = 8;
/** The longest first, then what still fits. */
const LINES = ['x'.repeat(250_000), 'x'.repeat(26_000)] as const;
const lineOf = (n: number): string => LINES[n % SOCKETS < SOCKETS / 2 ? 0 : 1];
/** A prompt with a long text. */
const LONG = 'y'.repeat(26_000);
const IDLE_MS = sized({ small: 4_000, long: 20_000 });
const ATTACK_MS = sized({ small: 8_000, long: 60_000 });
/** What a machine that does other things as well adds to any time, ms. */
const NOISE_MS = sized({ small: 250, long: 10 });
/** Of an org each: all keep far below what they may. */
const NEIGHBOURS = 12;
const EVERY_MS = 100;

let nats: NatsServer;
let url: string;
const closers: (() => unknown)[] = [];

beforeEach(async () => {
  nats = await startNatsServer();
  closers.push(() => nats.stop());
  const { child: edge, port } = await spawnEdge(nats.url, {
    // As it is shipped.
    ...Object.fromEntries(Object.keys(NO_QUOTAS_ENV).map((name) => [name, undefined])),
    SLUICE_EDGE_REQUESTS_PER_SECOND: undefined,
    ...STORE,
  });
  closers.push(() => edge.kill());
  url = `ws://127.0.0.1:${port}/v1/ws`;
  const worker = await spawnWorker(nats.url, { SLUICE_SIMULATED_TOKENS_PER_SECOND: '500', ...STORE });
  closers.push(() => worker.kill());
}, 60_000);

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const STORE = {
  SLUICE_SESSIONS_MAX_BYTES: STORE_BYTES,
  SLUICE_BODIES_MAX_BYTES: STORE_BYTES,
};

const open = async (user: string, org: string): Promise<RawClient> => {
  const client = await openRawClient(url, { token: tokenFor(user, org) });
  closers.push(() => client.terminate());
  await client.nextFrame('ready', 10_000);
  return client;
};

/** Sends a frame. @returns `ok`, or the code of the error */
const ask = async (client: RawClient, frame: object): Promise<string> => {
  const id = randomUUID();
  client.send({ ...frame, id });
  // A frame over the budget of its connection is not read, so its refusal names none; only one is under way.
  const isAnswer = (each: ServerFrame): boolean =>
    (each.type === 'ok' && each.re === id) || (each.type === 'error' && (each.re ?? id) === id);
  const answer = await client.nextFrame(isAnswer, 30_000);
  return answer.type === 'error' ? answer.code : answer.type;
};

type Seen = {
  readonly prompts: number;
  readonly errors: readonly string[];
  readonly p50: number;
  readonly p99: number;
};

/** What users of another org see who prompt now and then. */
const watch = async (neighbours: readonly RawClient[], forMs: number): Promise<Seen> => {
  const times: number[] = [];
  const errors: string[] = [];
  const until = performance.now() + forMs;
  for (let n = 0; performance.now() < until; n += 1) {
    const client = neighbours[n % neighbours.length] as RawClient;
    const begin = performance.now();
    const [session, generation] = [`s${n % 50}`, randomUUID()];
    // Not a divisor of their number: each of them has a long one now and then.
    const asked = n % 5 === 0 ? { ...PROMPT, input: LONG } : PROMPT;
    const code = await ask(client, { type: 'prompt', session, generation, ...asked });
    times.push(performance.now() - begin);
    if (code !== 'ok') errors.push(code);
    await pause(EVERY_MS);
  }
  return { prompts: times.length, errors, p50: nth(times, 0.5), p99: nth(times, 0.99) };
};
const PROMPT = { input: 'hello', params: { simulated: { tokens: 5 } } };

/** One frame after the other on each of a user's sockets. @returns how often which answer came */
const pour = async (frameOf: (n: number) => object, forMs: number): Promise<Record<string, number>> => {
  const answers: Record<string, number> = {};
  const until = performance.now() + forMs;
  const sockets = await Promise.all(Array.from({ length: SOCKETS }, () => open('ann', 'acme')));
  const run = async (client: RawClient, socket: number): Promise<void> => {
    for (let n = 0; performance.now() < until; n += 1) {
      const code = await ask(client, frameOf(n * SOCKETS + socket));
      answers[code] = (answers[code] ?? 0) + 1;
    }
  };
  await Promise.all(sockets.map(run));
  return answers;
};

const WORST: readonly (readonly [string, (n: number) => object])[] = [
  [
    'stores 250 kB lines over 8 sockets',
    (n) => ({ type: 'message', session: `a${n % 8}`, message: `m${n}`, text: lineOf(n) }),
  ],
  [
    'prompts with 250 kB over 8 sockets',
    (n) => ({ type: 'prompt', session: `a${n % 8}`, generation: `g${n}`, input: lineOf(n) }),
  ],
  [
    'prompts as fast as it can over 8 sockets',
    (n) => ({ type: 'prompt', session: `a${n % 8}`, generation: `g${n}`, ...PROMPT }),
  ],
];

describe('other orgs prompt as before while one user', () => {
  test.each(WORST)(
    '%s',
    async (what, frameOf) => {
      const users = Array.from({ length: NEIGHBOURS }, (_, n) => open('bob', `globex-${n}`));
      const neighbours = await Promise.all(users);
      const before = await watch(neighbours, IDLE_MS);
      const [during, answers] = await Promise.all([watch(neighbours, ATTACK_MS), pour(frameOf, ATTACK_MS)]);
      const after = await watch(neighbours, 1_000);
      tell(what, {
        ...{ 'p50 before': before.p50, during: during.p50, 'p99 before': before.p99, p99: during.p99 },
        ...{ stored: answers['ok'] ?? 0, errors: during.errors.length },
      });
      expect([...before.errors, ...during.errors, ...after.errors]).toEqual([]);
      expect(during.prompts).toBeGreaterThan(10);
      // In seconds on a machine that does other things as well only the middle says anything.
      const [quiet, busy] = isLong ? [before.p99, during.p99] : [before.p50, during.p50];
      expect(busy).toBeLessThanOrEqual(Math.max(2 * quiet, quiet + NOISE_MS));
      expect(answers['ok']).toBeGreaterThan(10);
    },
    180_000,
  );
});
