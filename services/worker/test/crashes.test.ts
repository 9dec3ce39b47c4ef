import { describe, expect, test } from '@jest/globals';
import { BusUnavailableError } from '@sluice/bus';
import type { Bus } from '@sluice/bus';
import { ChunkWriter } from '@sluice/core';
import { deferred, waitFor } from '@sluice/testkit';
import { freshScene } from './support/scene.ts';
import { ScriptedEngine } from './support/scripted-engine.ts';
import { keyOf, words, World } from './support/world.ts';

const scene = freshScene();

describe('a worker that dies', () => {
  const die = async (name: string, generation: string): Promise<void> => {
    // Its beats stop; what it ran is known from the last of them.
    await scene.world.bus.workers.announce({
      worker: name,
      models: ['m'],
      slots: 1,
      running: [{ ...keyOf(generation), attempt: 1 }],
    });
  };

  test('has its generations continued by another', async () => {
    await die('dead', 'g');
    await scene.world.submit('g', {}, { status: 'running', attempt: 1, worker: 'dead' });
    scene.world.forgetJobs();
    await scene.world.start('alive');
    scene.world.engine.say('g', 'on');
    scene.world.engine.end('g');
    expect(await scene.world.until('g', 'done')).toMatchObject({ attempt: 2, crashes: 1, text: 'on' });
  }, 15_000);

  test('has its generations continued though nothing could be written for a while', async () => {
    let refusals = 6;
    const refuse = async <Result>(write: () => Promise<Result>): Promise<Result> => {
      refusals -= 1;
      if (refusals >= 0) throw new BusUnavailableError('an election');
      return write();
    };
    const { sessions, jobs } = scene.world.bus;
    const bus: Bus = {
      ...scene.world.bus,
      sessions: { ...sessions, updateItem: (...args) => refuse(() => sessions.updateItem(...args)) },
      jobs: { ...jobs, publish: (job) => refuse(() => jobs.publish(job)) },
    };
    await die('dead', 'g');
    await scene.world.submit('g', {}, { status: 'running', attempt: 1, worker: 'dead' });
    scene.world.forgetJobs();
    await scene.world.start('alive', { bus });
    scene.world.engine.say('g', 'on');
    scene.world.engine.end('g');
    expect(
      await waitFor(() => scene.world.until('g', 'done'), { what: 'the end', timeoutMs: 14_000 }),
    ).toMatchObject({
      ...{ attempt: 2, crashes: 1, text: 'on' },
    });
  }, 20_000);

  test('between taking a job and claiming it has the generation continued by another', async () => {
    scene.world = new World({ ackWaitMs: 60_000 });
    const { sessions, jobs, workers } = scene.world.bus;
    const taken = deferred<void>();
    let isDead = false;
    const dead = deferred<never>();
    const dying: Bus = {
      ...scene.world.bus,
      sessions: {
        ...sessions,
        updateItem: () => {
          isDead = true;
          taken.resolve();
          return dead.promise;
        },
      },
      jobs: { ...jobs, pull: (...args) => (isDead ? dead.promise : jobs.pull(...args)) },
      // Of its beats only the word of what it has just taken is heard.
      workers: { ...workers, beat: (beat) => (beat.isExtra === true ? workers.beat(beat) : undefined) },
    };
    const later: Bus = {
      ...scene.world.bus,
      jobs: { ...jobs, pull: (...args) => taken.promise.then(() => jobs.pull(...args)) },
    };
    await scene.world.start('alive', { bus: later });
    await scene.world.start('dying', { bus: dying });
    await scene.world.submit('g');
    scene.world.engine.say('g', 'on');
    scene.world.engine.end('g');
    const item = await scene.world.until('g', 'done').finally(() => dead.reject(new Error('it was dead')));
    // What nobody had begun killed nobody, as far as one can tell.
    expect(item).toMatchObject({ attempt: 2, allCrashes: 1, text: 'on' });
    expect(item).not.toHaveProperty('crashes');
  }, 15_000);

  test('for the third time ends the generation with an error', async () => {
    await die('dead', 'g');
    await scene.world.submit('g', {}, { status: 'running', attempt: 1, worker: 'dead', crashes: 2 });
    scene.world.forgetJobs();
    await scene.world.start('alive');
    expect(await scene.world.until('g', 'done')).toMatchObject({
      reason: 'error',
      error: { code: 'worker_crashed' },
    });
    expect(scene.world.engine.requests).toHaveLength(0);
  }, 15_000);

  test('for the third time has a generation that got further continued', async () => {
    await die('dead', 'g');
    const count = { crashes: 2, crashSeq: 0, allCrashes: 2 };
    await scene.world.submit('g', {}, { status: 'running', attempt: 1, worker: 'dead', ...count });
    await scene.world.bus.tokens.append(keyOf('g'), new ChunkWriter(1).draft(words(9), 1).draft);
    scene.world.forgetJobs();
    await scene.world.start('alive');
    scene.world.engine.end('g');
    expect(await scene.world.until('g', 'done')).toMatchObject({
      ...{ reason: 'stop', text: words(9).join(''), attempt: 2 },
      ...{ crashes: 1, crashSeq: 9, allCrashes: 3 },
    });
  }, 15_000);

  test('for the tenth time ends the generation, however far it gets', async () => {
    await die('dead', 'g');
    const count = { crashes: 1, crashSeq: 0, allCrashes: 9 };
    await scene.world.submit('g', {}, { status: 'running', attempt: 1, worker: 'dead', ...count });
    await scene.world.bus.tokens.append(keyOf('g'), new ChunkWriter(1).draft(words(9), 1).draft);
    scene.world.forgetJobs();
    await scene.world.start('alive');
    expect(await scene.world.until('g', 'done')).toMatchObject({
      ...{ reason: 'error', error: { code: 'worker_crashed' }, text: words(9).join(''), allCrashes: 10 },
    });
    expect(scene.world.engine.requests).toHaveLength(0);
  }, 15_000);

  test('is not declared dead while nobody hears beats', async () => {
    await die('peer', 'g');
    await scene.world.submit('g', {}, { status: 'running', attempt: 1, worker: 'peer' });
    scene.world.forgetJobs();
    let beats = 0;
    const deaf: Bus = {
      ...scene.world.bus,
      workers: {
        ...scene.world.bus.workers,
        beat: () => {
          beats += 1;
        },
      },
    };
    await scene.world.start('alive', { bus: deaf });
    await waitFor(() => beats >= 7, { what: 'seven beats that nobody hears', timeoutMs: 12_000 });
    expect(await scene.world.item('g')).toMatchObject({ status: 'running', attempt: 1 });
  }, 20_000);
});

test('a worker that is closed hands its runs over, and another goes on from the same token', async () => {
  const first = await scene.world.start('w1');
  await scene.world.submit('g');
  scene.world.engine.say('g', 'a', 'b');
  await waitFor(() => scene.world.engine.taken === 2, { what: 'two tokens' });
  await first.close();
  expect(await scene.world.item('g')).toMatchObject({ status: 'queued', attempt: 1 });
  const engine = new ScriptedEngine();
  engine.say('g', 'c');
  engine.end('g');
  await scene.world.start('w2', { engine });
  expect(await scene.world.until('g', 'done')).toMatchObject({ text: 'abc', attempt: 2 });
  expect(engine.requests[0]?.prefix).toEqual(['a', 'b']);
});

test('a worker that is back before anybody missed it takes up what it ran', async () => {
  await scene.world.submit('g', {}, { status: 'running', attempt: 1, worker: 'w1' });
  scene.world.forgetJobs();
  const running = [{ ...keyOf('g'), attempt: 1 }];
  await scene.world.bus.workers.announce({ worker: 'w1', models: ['m'], slots: 4, running });
  await scene.world.start('w1');
  scene.world.engine.say('g', 'again');
  scene.world.engine.end('g');
  expect(await scene.world.until('g', 'done')).toMatchObject({ text: 'again', attempt: 2, crashes: 1 });
});
