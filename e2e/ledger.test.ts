/** The ledger against an engine that counts, while its users cancel, its workers die and hand over. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createNatsBus } from '@sluice/bus';
import type { Bus } from '@sluice/bus';
import { dayOf, promptTokensOf } from '@sluice/core';
import type { Engine, EngineRequest, EngineRun } from '@sluice/core';
import type { Edge } from '@sluice/edge';
import type { UsageRecord } from '@sluice/protocol';
import { silentLogger } from '@sluice/runtime';
import { mintToken, waitFor } from '@sluice/testkit';
import { createWorker } from '@sluice/worker';
import type { Worker } from '@sluice/worker';
import { keyOf, ORG } from './support/clients.ts';
import { SECRET, startSystem } from './support/system.ts';
import type { System } from './support/system.ts';

const LENGTH = 100;
const TOKEN_MS = 50;
const ROUNDS = 4;
const A_ROUND = 50;
const CANCELLED = 12;
const CACHED = 2;

/** What it was asked by one attempt, and has answered. */
type Run = { readonly attempt: number; made: number; readonly promptTokens: number; isWhole: boolean };

/** Counts the tokens that workers take from it. Continues the text of an earlier attempt. */
class CountingEngine implements Engine {
  readonly name = 'counting';
  /** newest run of each generation, over all engines of these tests */
  readonly #runs: Map<string, Run>;
  readonly #closing = new AbortController();

  constructor(runs: Map<string, Run>) {
    this.#runs = runs;
  }

  models = (): Promise<readonly string[]> => Promise.resolve(['counting']);
  canContinue = (): boolean => true;
  expectedTokens = (): number => LENGTH;

  async *generate({ generation, messages, prefix }: EngineRequest, signal: AbortSignal): EngineRun {
    const attempt = (this.#runs.get(generation)?.attempt ?? 0) + 1;
    const promptTokens = promptTokensOf(messages);
    const run: Run = { attempt, made: prefix.length, promptTokens, isWhole: false };
    this.#runs.set(generation, run);
    const either = AbortSignal.any([signal, this.#closing.signal]);
    while (run.made < LENGTH) {
      await delay(TOKEN_MS, undefined, { signal: either });
      run.made += 1;
      yield `t${run.made} `;
    }
    run.isWhole = true;
    const usage = { prompt_tokens: promptTokens, completion_tokens: LENGTH };
    return { reason: 'stop', usage: { ...usage, prompt_tokens_details: { cached_tokens: CACHED } } };
  }

  close(): Promise<void> {
    this.#closing.abort();
    return Promise.resolve();
  }
}

type Staff = { readonly worker: Worker; readonly bus: Bus; readonly engine: CountingEngine };

let system: System;
let edge: Edge;
let bus: Bus;
const runs = new Map<string, Run>();
const staff: Staff[] = [];
let hired = 0;

const hire = async (): Promise<void> => {
  hired += 1;
  const own = await createNatsBus({ url: system.nats.url, name: `w${hired}` });
  const engine = new CountingEngine(runs);
  const options = { name: `w${hired}`, slots: 40, models: ['counting'] };
  const worker = await createWorker(options, { bus: own, engine, logger: silentLogger });
  staff.push({ worker, bus: own, engine });
};

beforeAll(async () => {
  system = await startSystem();
  edge = await system.addEdge();
  bus = await system.bus();
  await Promise.all([hire(), hire()]);
  await waitFor(async () => (await (await call('GET', '/v1/models')).text()).includes('counting'), {
    what: 'the model',
  });
}, 30_000);
afterAll(async () => {
  for (const { engine, worker, bus: own } of staff) {
    await worker.close();
    await engine.close();
    await own.close();
  }
  await system.close();
}, 60_000);

const call = (method: string, path: string, body?: object, user = 'ann'): Promise<Response> =>
  fetch(`${edge.url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${mintToken({ org: ORG, user, secret: SECRET, scope: 'read prompt cancel usage' })}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });

const pathOf = (id: string): string => `/v1/sessions/${id}/generations/${id}`;
const userOf = (n: number): string => `user-${n % 5}`;

const isDone = async (id: string): Promise<boolean> =>
  ((await (await call('GET', pathOf(id))).json()) as { status: string }).status === 'done';

const untilDone = (ids: readonly string[]): Promise<unknown> =>
  waitFor(async () => (await Promise.all(ids.map(isDone))).every(Boolean), {
    ...{ what: 'the end of all', timeoutMs: 60_000, everyMs: 200 },
  });

/** Its process is gone at once, as far as anybody else can tell. */
const kill = async (): Promise<void> => {
  const dead = staff.shift();
  await dead?.bus.close();
  await dead?.engine.close();
  dead?.worker.close().catch(() => undefined);
};
/** It hands over what it runs. */
const drain = async (): Promise<void> => {
  const leaving = staff.shift();
  await leaving?.worker.close();
  await leaving?.engine.close();
  await leaving?.bus.close();
};

test('200 generations with cancels, crashes and hand-overs are in the ledger once each, as the engine counted', async () => {
  const all: string[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const ids = Array.from({ length: A_ROUND }, (_, n) => `r${round}-${n}`);
    all.push(...ids);
    await Promise.all(
      ids.map(async (id, n) => {
        const messages = [{ role: 'user', content: `question ${'x'.repeat(n)}` }];
        expect((await call('PUT', pathOf(id), { messages }, userOf(n))).status).toBe(201);
      }),
    );
    const stopped = ids.slice(0, CANCELLED);
    // A generation that never ran has no tokens that a stop could have saved.
    await waitFor(() => stopped.every((id) => runs.has(id)), { what: 'the engine to be asked' });
    // Twice each: a repeat counts nothing.
    const cancel = (id: string, n: number): Promise<Response> =>
      call('DELETE', pathOf(id), undefined, userOf(n));
    const answers = await Promise.all(stopped.flatMap((id, n) => [cancel(id, n), cancel(id, n)]));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
    await untilDone(stopped);
    await hire();
    await (round % 2 === 0 ? kill() : drain());
    await untilDone(ids);
  }

  const { org } = keyOf('s', 'g');
  const days = [-1, 0].map((more) => dayOf(Date.now()) + more);
  const records = await waitFor(
    async (): Promise<UsageRecord[] | undefined> => {
      const pages = await Promise.all(days.map((day) => bus.usage.read(org, day)));
      const found = pages.flatMap((page) => page.records);
      return found.length >= all.length && (await bus.open.list()).open.length === 0 ? found : undefined;
    },
    { what: 'every record', timeoutMs: 20_000 },
  );
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  const counted = [...runs.values()];
  expect(records).toHaveLength(ROUNDS * A_ROUND);
  const answer = await call('GET', `/v1/usage?by=user`);
  const report = (await answer.json()) as { rows: unknown[]; total: Record<string, number> };
  const made = sum(counted.map((run) => run.made));
  expect(report.total).toMatchObject({
    generations: ROUNDS * A_ROUND,
    completionTokens: made,
    promptTokens: sum(counted.map(({ promptTokens }) => promptTokens)),
    cachedTokens: counted.filter(({ isWhole }) => isWhole).length * CACHED,
    savedTokens: ROUNDS * A_ROUND * LENGTH - made,
    estimated: ROUNDS * CANCELLED,
  });
  expect(report.rows).toHaveLength(5);
  const again = records.filter(({ attempts }) => attempts > 1).length;
  expect(again).toBeGreaterThan(ROUNDS);
  expect(records.filter(({ reason }) => reason === 'cancelled')).toHaveLength(ROUNDS * CANCELLED);
  expect(records.filter(({ attempts, gpuMs }) => attempts > 0 && gpuMs <= 0)).toEqual([]);
  process.stdout.write(
    `ledger: ${records.length} records, ${made} tokens, ${again} generations of more than one attempt\n`,
  );
}, 240_000);
