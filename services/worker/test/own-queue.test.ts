import { expect, test } from '@jest/globals';
import { claim } from '@sluice/core';
import type { StoredGeneration } from '@sluice/core';
import { deferred, waitFor } from '@sluice/testkit';
import { freshScene } from './support/scene.ts';
import { ScriptedEngine } from './support/scripted-engine.ts';
import { keyOf } from './support/world.ts';

const scene = freshScene();

/** A peer that was heard once and is silent since. */
const silentPeer = async (worker: string): Promise<void> => {
  await scene.world.bus.workers.announce({ worker, models: ['m'], slots: 4, ownQueue: true, running: [] });
};

const live = async (): Promise<string[]> =>
  (await scene.world.bus.workers.list()).map(({ worker }) => worker);

test('a worker runs what is placed in its own queue, and takes it off', async () => {
  const worker = await scene.world.start('w1');
  await scene.world.start('w2', { engine: new ScriptedEngine() });
  await scene.world.submit('g', {}, { queue: 'w1' });
  expect(await scene.world.until('g', 'running')).toMatchObject({ worker: 'w1', attempt: 1 });
  scene.world.engine.end('g');
  await waitFor(async () => (await scene.world.bus.jobs.owners()).length === 0, {
    what: 'the job to be acked',
  });
  expect(await worker.metrics.registry.metrics()).toMatch(
    /sluice_worker_jobs_total\{[^}]*queue="own"[^}]*\} 1/,
  );
});

test('a worker without a free slot passes on what is placed there, at once', async () => {
  const full = await scene.world.start('w1', { slots: 1 });
  await scene.world.submit('first', {}, { queue: 'w1' });
  await waitFor(() => full.running === 1, { what: 'the only slot to be taken' });
  await scene.world.start('w2', { engine: scene.world.engine });
  await scene.world.submit('second', {}, { queue: 'w1' });
  expect(await scene.world.until('second', 'running')).toMatchObject({ worker: 'w2', attempt: 1 });
});

test('the own queue of a worker that died is adopted: jobs that waited there, and one it had taken', async () => {
  await silentPeer('dead');
  await scene.world.submit('taken', {}, { queue: 'dead' });
  await scene.world.bus.jobs.pullOwn('dead', 1_000, new AbortController().signal);
  await scene.world.submit('waiting', {}, { queue: 'dead' });
  await scene.world.start('w1');
  const items = await Promise.all(['taken', 'waiting'].map((id) => scene.world.until(id, 'running')));
  for (const item of items) expect(item).toMatchObject({ worker: 'w1', attempt: 1 });
  expect(await live()).toEqual(['w1']);
});

test('a job placed with a worker that nobody knows any more is found', async () => {
  await scene.world.start('w1');
  await scene.world.submit('late', {}, { queue: 'long-gone' });
  expect(await scene.world.until('late', 'running')).toMatchObject({ worker: 'w1' });
});

test('a repeat of a job that comes while the first one is being claimed takes nothing over', async () => {
  const { bus } = scene.world;
  const claimed = deferred<void>();
  let reads = 0;
  const slow = {
    ...bus,
    sessions: {
      ...bus.sessions,
      item: (...args: Parameters<typeof bus.sessions.item>) => {
        reads += 1;
        return bus.sessions.item(...args);
      },
    },
    tokens: {
      ...bus.tokens,
      head: async (...args: Parameters<typeof bus.tokens.head>) => {
        await claimed.promise;
        return bus.tokens.head(...args);
      },
    },
  };
  await scene.world.start('w1', { bus: slow });
  await scene.world.submit('g');
  await scene.world.until('g', 'running');
  const before = reads;
  await bus.jobs.publish({ ...keyOf('g'), model: 'm', attempt: 1, isOrphan: true }, 'w1');
  await waitFor(() => reads > before, { what: 'the repeat to be looked at' });
  // Whatever the repeat does before it has to wait as well.
  await new Promise((resolve) => setImmediate(resolve));
  claimed.resolve();
  scene.world.engine.end('g');
  const done = await scene.world.until('g', 'done');
  expect(done).toMatchObject({ attempt: 1 });
  expect(done).not.toHaveProperty('crashes');
});

test('a run whose worker died with nobody there is adopted from its own queue', async () => {
  await scene.world.submit('g', {}, { queue: 'dead' });
  await scene.world.bus.jobs.pullOwn('dead', 1_000, new AbortController().signal);
  const claimed = claim(await scene.world.item('g'), 'dead') as StoredGeneration;
  await scene.world.bus.sessions.updateItem(keyOf('g'), claimed, scene.world.hub.rev);
  await scene.world.start('w1');
  const item = await waitFor(
    async () => {
      const found = await scene.world.item('g');
      return found.worker === 'w1' ? found : undefined;
    },
    { what: 'the run to be taken over', timeoutMs: 8_000 },
  );
  expect(item).toMatchObject({ status: 'running', attempt: 2, crashes: 1 });
});

test('a worker that comes back under its name does not wait for what it had taken before', async () => {
  await scene.world.submit('g', {}, { queue: 'w1' });
  await scene.world.bus.jobs.pullOwn('w1', 1_000, new AbortController().signal);
  await scene.world.start('w1');
  expect(await scene.world.until('g', 'running')).toMatchObject({ worker: 'w1', attempt: 1 });
});

test('a worker that is asked to stop leaves no job in its own queue, and its run to another', async () => {
  const leaving = await scene.world.start('w1');
  await scene.world.submit('g', {}, { queue: 'w1' });
  await scene.world.until('g', 'running');
  await scene.world.start('w2', { engine: scene.world.engine });
  const closing = leaving.close();
  await scene.world.submit('late', {}, { queue: 'w1' });
  await closing;
  for (const id of ['g', 'late'])
    await waitFor(async () => (await scene.world.item(id)).worker === 'w2', { what: `${id} to run at w2` });
  expect(await scene.world.item('g')).toMatchObject({ attempt: 2 });
  expect((await scene.world.item('g')).crashes).toBeUndefined();
  expect(await scene.world.bus.jobs.owners()).not.toContain('w1');
});
