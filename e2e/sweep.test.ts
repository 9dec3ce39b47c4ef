import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import type { Bus } from '@sluice/bus';
import { ABANDONED_AFTER_MS } from '@sluice/core';
import type { StoredGeneration } from '@sluice/core';
import { claimGeneration, createGeneration, parkGeneration, Room } from '@sluice/lifecycle';
import { systemClock } from '@sluice/runtime';
import { waitFor } from '@sluice/testkit';
import { connect } from 'nats';
import { keyOf, tokenFor } from './support/clients.ts';
import { GatedEngine } from './support/gated-engine.ts';
import { spawnWorker } from './support/processes.ts';
import { startSystem } from './support/system.ts';
import type { System } from './support/system.ts';

/** I11: so long after the last fault every generation has ended, though nobody watches. */
const WITHIN_MS = 30_000;
/** Of the job that keeps the only slot busy. */
const GATE = 'gate';

let system: System;
let bus: Bus;
let url: string;

const start = async (options: Parameters<typeof startSystem>[0] = {}): Promise<void> => {
  system = await startSystem(options);
  bus = await system.bus();
  ({ url } = await system.addEdge());
};
beforeEach(() => start());
afterEach(() => system.close());

/** Asks for a generation over HTTP and does not stay. */
const ask = async (input: string, tokens = 20): Promise<string> => {
  const id = randomUUID();
  const response = await fetch(`${url}/v1/sessions/s-${id}/generations/${id}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${tokenFor('ann')}`, 'content-type': 'application/json' },
    body: JSON.stringify({ input, params: { simulated: { tokens } } }),
  });
  expect(response.status).toBeLessThan(300);
  return id;
};

const itemOf = async (id: string): Promise<StoredGeneration> => {
  const key = keyOf(`s-${id}`, id);
  const item = (await bus.sessions.item(key, key.generation))?.item;
  if (item?.kind !== 'generation') throw new Error(`expected the item of ${id}`);
  return item;
};

const untilStatus = (ids: readonly string[], status: StoredGeneration['status'], timeoutMs = WITHIN_MS) =>
  waitFor(async () => (await Promise.all(ids.map(itemOf))).every((item) => item.status === status), {
    ...{ what: `${ids.length} generations to be ${status}`, timeoutMs },
  });

const purgeJobs = async (): Promise<void> => {
  const nc = await connect({ servers: system.nats.url });
  await (await jetstreamManager(nc)).streams.purge('JOBS');
  await nc.close();
};

/** A worker of one slot, which is taken. */
const addBusyWorker = async (): Promise<{ readonly engine: GatedEngine; readonly blocking: string }> => {
  const engine = new GatedEngine();
  engine.open(GATE, 1);
  await system.addWorker(engine, { slots: 1 });
  const blocking = await ask(GATE);
  await untilStatus([blocking], 'running');
  return { engine, blocking };
};

test('generations whose jobs were purged while they waited run when there is room', async () => {
  const { engine, blocking } = await addBusyWorker();
  const waiting = await Promise.all(Array.from({ length: 20 }, () => ask('go')));
  await purgeJobs();
  engine.open(GATE, Infinity);
  await untilStatus([blocking, ...waiting], 'done');
  for (const id of waiting) expect(await itemOf(id)).toMatchObject({ reason: 'stop', attempt: 1, seq: 20 });
}, 60_000);

test('a generation that waits for longer than its job lives runs when there is room', async () => {
  await system.close();
  await start({ retention: { jobsMs: 1_000 } });
  const { engine, blocking } = await addBusyWorker();
  const waiting = await ask('go');
  await waitFor(async () => (await jobsLeft()) === 0, { what: 'the jobs to expire', timeoutMs: 10_000 });
  engine.open(GATE, Infinity);
  await untilStatus([blocking, waiting], 'done');
  expect(await itemOf(waiting)).toMatchObject({ reason: 'stop', attempt: 1 });
}, 60_000);

const jobsLeft = async (): Promise<number> => {
  const nc = await connect({ servers: system.nats.url });
  const { state } = await (await jetstreamManager(nc)).streams.info('JOBS');
  await nc.close();
  return state.messages;
};

test('a run whose only worker died goes on at one of another name, long after and without its job', async () => {
  const spawn = (name: string) =>
    spawnWorker(system.nats.url, {
      SLUICE_WORKER_NAME: name,
      SLUICE_SIMULATED_TOKENS_PER_SECOND: '50',
      SLUICE_SIMULATED_TTFT_MS: '20',
    });
  const first = await spawn('first');
  const id = await ask('go', 200);
  await untilStatus([id], 'running');
  await first.kill('SIGKILL');
  await purgeJobs();
  // Long after: nobody who comes can know that it ever lived.
  const isForgotten = async (): Promise<boolean> => (await bus.workers.list()).length === 0;
  await waitFor(isForgotten, { what: 'its entry to expire', timeoutMs: 20_000 });
  const second = await spawn('second');
  await untilStatus([id], 'done');
  expect(await itemOf(id)).toMatchObject({ reason: 'stop', attempt: 2, seq: 200, crashes: 1 });
  await second.kill();
}, 90_000);

test('what was parked for too long ends without a worker and without a reader', async () => {
  const key = keyOf('s', randomUUID());
  const body = { input: 'go', model: 'parked' };
  const limits = { maxItemsPerSession: 1_000, maxBytesPerSession: 1e9 };
  const room = new Room({ bus, clock: systemClock, limits });
  await createGeneration({ bus, room }, key, { hash: 'h', user: 'ann', createdAt: Date.now(), body });
  const before = { now: () => Date.now() - ABANDONED_AFTER_MS - 1 };
  const delivery = await bus.jobs.pull('parked', 2_000, new AbortController().signal);
  if (delivery === undefined) throw new Error('expected the job');
  const context = {
    bus,
    clock: before,
    worker: 'w',
    isRunning: () => false,
    admits: () => true,
    standingOf: () => 'dead' as const,
  };
  expect(await claimGeneration(delivery, context)).toMatchObject({ type: 'claimed' });
  await delivery.ack();
  const leaving = { key, attempt: 1, at: { epoch: 0, seq: 1 }, tokens: ['a'], leftAt: before.now() };
  await parkGeneration({ bus, clock: before }, leaving);
  const item = await waitFor(
    async () => {
      const found = (await bus.sessions.item(key, key.generation))?.item;
      return found?.kind === 'generation' && found.status === 'done' ? found : undefined;
    },
    { what: 'its end', timeoutMs: WITHIN_MS },
  );
  expect(item).toMatchObject({ reason: 'abandoned', text: 'a' });
}, 60_000);
