import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { claim } from '@sluice/core';
import type { StoredGeneration } from '@sluice/core';
import { waitFor } from '@sluice/testkit';
import { ScriptedEngine } from './support/scripted-engine.ts';
import { World, keyOf } from './support/world.ts';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.stop());

/** A peer that was heard once and is silent since. */
const silentPeer = async (worker: string): Promise<void> => {
  await world.bus.workers.announce({ worker, models: ['m'], slots: 4, ownQueue: true, running: [] });
};

const live = async (): Promise<string[]> => (await world.bus.workers.list()).map(({ worker }) => worker);

test('a worker runs what is placed in its own queue, and takes it off', async () => {
  const worker = await world.start('w1');
  await world.start('w2', { engine: new ScriptedEngine() });
  await world.submit('g', {}, { queue: 'w1' });
  expect(await world.until('g', 'running')).toMatchObject({ worker: 'w1', attempt: 1 });
  world.engine.end('g');
  await waitFor(async () => (await world.bus.jobs.owners()).length === 0, { what: 'the job to be acked' });
  expect(await worker.metrics.registry.metrics()).toMatch(
    /sluice_worker_jobs_total\{[^}]*queue="own"[^}]*\} 1/,
  );
});

test('a worker without a free slot passes on what is placed there, at once', async () => {
  const full = await world.start('w1', { slots: 1 });
  await world.submit('first', {}, { queue: 'w1' });
  await waitFor(() => full.running === 1, { what: 'the only slot to be taken' });
  await world.start('w2', { engine: world.engine });
  await world.submit('second', {}, { queue: 'w1' });
  expect(await world.until('second', 'running')).toMatchObject({ worker: 'w2', attempt: 1 });
});

test('the own queue of a worker that died is adopted: jobs that waited there, and one it had taken', async () => {
  await silentPeer('dead');
  await world.submit('taken', {}, { queue: 'dead' });
  await world.bus.jobs.pullOwn('dead', 1_000, new AbortController().signal);
  await world.submit('waiting', {}, { queue: 'dead' });
  await world.start('w1');
  const items = await Promise.all(['taken', 'waiting'].map((id) => world.until(id, 'running')));
  for (const item of items) expect(item).toMatchObject({ worker: 'w1', attempt: 1 });
  expect(await live()).toEqual(['w1']);
});

test('a job placed with a worker that nobody knows any more is found', async () => {
  await world.start('w1');
  await world.submit('late', {}, { queue: 'long-gone' });
  expect(await world.until('late', 'running')).toMatchObject({ worker: 'w1' });
});

test('a run whose worker died with nobody there is adopted from its own queue', async () => {
  await world.submit('g', {}, { queue: 'dead' });
  await world.bus.jobs.pullOwn('dead', 1_000, new AbortController().signal);
  const claimed = claim(await world.item('g'), 'dead') as StoredGeneration;
  await world.bus.sessions.updateItem(keyOf('g'), claimed, world.hub.rev);
  await world.start('w1');
  const item = await waitFor(
    async () => {
      const found = await world.item('g');
      return found.worker === 'w1' ? found : undefined;
    },
    { what: 'the run to be taken over', timeoutMs: 8_000 },
  );
  expect(item).toMatchObject({ status: 'running', attempt: 2, crashes: 1 });
});

test('a worker that comes back under its name does not wait for what it had taken before', async () => {
  await world.submit('g', {}, { queue: 'w1' });
  await world.bus.jobs.pullOwn('w1', 1_000, new AbortController().signal);
  await world.start('w1');
  expect(await world.until('g', 'running')).toMatchObject({ worker: 'w1', attempt: 1 });
});

test('a worker that is asked to stop leaves no job in its own queue, and its run to another', async () => {
  const leaving = await world.start('w1');
  await world.submit('g', {}, { queue: 'w1' });
  await world.until('g', 'running');
  await world.start('w2', { engine: world.engine });
  const closing = leaving.close();
  await world.submit('late', {}, { queue: 'w1' });
  await closing;
  for (const id of ['g', 'late'])
    await waitFor(async () => (await world.item(id)).worker === 'w2', { what: `${id} to run at w2` });
  expect(await world.item('g')).toMatchObject({ attempt: 2 });
  expect((await world.item('g')).crashes).toBeUndefined();
  expect(await world.bus.jobs.owners()).not.toContain('w1');
});
