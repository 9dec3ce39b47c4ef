/** A session goes to the worker that is likely to hold its KV cache, and waits for none that is full or dead. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { placeSession } from '@sluice/core';
import type { Generation } from '@sluice/client';
import { sha256, waitFor } from '@sluice/testkit';
import { SimulatedEngine } from '@sluice/simulator';
import type { EngineRequest, EngineRun } from '@sluice/core';
import { keyOf, ORG, recordedClient, storedText } from './support/clients.ts';
import type { RecordedClient } from './support/clients.ts';
import { spawnWorker } from './support/processes.ts';
import { startSystem } from './support/system.ts';
import type { System } from './support/system.ts';

/** Remembers what it ran. */
class LoggedEngine extends SimulatedEngine {
  readonly ran: string[] = [];

  override generate(request: EngineRequest, signal: AbortSignal): EngineRun {
    this.ran.push(request.generation);
    return super.generate(request, signal);
  }
}

let system: System;
let viewer: RecordedClient;

beforeEach(async () => {
  system = await startSystem();
});
afterEach(async () => {
  await viewer.client.close();
  await system.close();
});

const addWorkers = async (
  count: number,
  { slots = 100, tokensPerSecond = 0 } = {},
): Promise<LoggedEngine[]> => {
  const engines = Array.from({ length: count }, () => new LoggedEngine({ ttftMs: 1, tokensPerSecond }));
  await Promise.all(engines.map((engine, at) => system.addWorker(engine, { name: `w-${at}`, slots })));
  return engines;
};

/** An edge that knows all the workers from its start. */
const connect = async (): Promise<void> => {
  const edge = await system.addEdge();
  viewer = recordedClient(edge.url);
};

const prompt = (session: string, tokens: number): Generation =>
  viewer.client.session(session).prompt({ input: 'go', params: { simulated: { tokens, watermark: 'w' } } });

const watermark = (tokens: number): string =>
  Array.from({ length: tokens }, (_, i) => `⟦w.${i + 1}⟧`).join('');

test('all prompts of a session run on one worker, sessions on all workers, nothing twice', async () => {
  const engines = await addWorkers(3);
  await connect();
  const sessions = Array.from({ length: 15 }, (_, n) => `s-${n}`);
  const homes = new Map(sessions.map((session) => [session, new Set<number>()]));
  for (let turn = 0; turn < 3; turn += 1) {
    const generations = sessions.map((session) => ({ session, generation: prompt(session, 5) }));
    for (const { session, generation } of generations) {
      expect(await generation.done).toBe(watermark(5));
      const ranAt = engines.flatMap(({ ran }, at) => ran.filter((id) => id === generation.id).map(() => at));
      expect(ranAt).toHaveLength(1);
      homes.get(session)?.add(ranAt[0] ?? -1);
    }
  }
  expect([...homes.values()].map(({ size }) => size)).toEqual(sessions.map(() => 1));
  expect(new Set([...homes.values()].flatMap((home) => [...home])).size).toBe(3);
}, 60_000);

test('what does not fit on the worker of a session runs on others at once', async () => {
  const engines = await addWorkers(3, { slots: 2, tokensPerSecond: 50 });
  await connect();
  const generations = Array.from({ length: 6 }, () => prompt('one', 10_000));
  await waitFor(() => generations.every(({ position }) => position.seq > 0), {
    what: 'all six to stream, two on each worker',
    timeoutMs: 20_000,
  });
  expect(engines.map(({ ran }) => ran.length)).toEqual([2, 2, 2]);
  for (const generation of generations) await generation.cancel();
}, 60_000);

test('a worker killed with jobs in its own queue: they run elsewhere, once, in the time of a take-over', async () => {
  const [survivor] = await addWorkers(1);
  const doomed = await spawnWorker(system.nats.url, { SLUICE_WORKER_NAME: 'doomed' });
  await connect();
  const bus = await system.bus();
  // The edge has just read that it lives, and places with it what belongs there.
  await doomed.kill('SIGKILL');
  const seats = ['w-0', 'doomed'].map((worker) => ({
    worker,
    slots: worker === 'doomed' ? 64 : 100,
    load: 0,
  }));
  const sessions = Array.from({ length: 50 }, (_, n) => `s-${n}`);
  const stranded = sessions
    .filter((session) => placeSession(`${ORG}.${session}`, seats) === 'doomed')
    .slice(0, 10);
  const generations = stranded.map((session) => ({ session, generation: prompt(session, 20) }));
  await waitFor(async () => (await bus.jobs.owners()).includes('doomed'), { what: 'jobs of the dead' });
  const from = performance.now();
  for (const { session, generation } of generations) {
    expect(await generation.done).toBe(watermark(20));
    expect(sha256(await storedText(bus, keyOf(session, generation.id)))).toBe(sha256(watermark(20)));
  }
  // Three beats of a second, and what a busy machine adds; without adoption it would be the ack wait, 30 s.
  expect(performance.now() - from).toBeLessThan(12_000);
  const mine = new Set(generations.map(({ generation }) => generation.id));
  expect((survivor?.ran ?? []).filter((id) => mine.has(id as never)).toSorted()).toEqual(
    [...mine].toSorted(),
  );
  expect(await bus.jobs.owners()).not.toContain('doomed');
}, 60_000);
