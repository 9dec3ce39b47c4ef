import { describe, expect, test } from '@jest/globals';
import { BusRefusedError, BusUnavailableError } from '@sluice/bus';
import type { Bus } from '@sluice/bus';
import type { PublishOutcome, StoredGeneration } from '@sluice/core';
import type { Clock } from '@sluice/runtime';
import { ManualClock, waitFor, withTimeout } from '@sluice/testkit';
import { freshScene } from './support/scene.ts';
import { withAppend, words, World } from './support/world.ts';

const scene = freshScene();

describe('storage', () => {
  test('whose answers get lost stores every token once', async () => {
    let tries = 0;
    const bus = withAppend(scene.world.bus, (append) => async (key, draft): Promise<PublishOutcome> => {
      const outcome = await append(key, draft);
      tries += 1;
      return tries % 2 === 1 ? { type: 'unknown', detail: 'lost answer' } : outcome;
    });
    await scene.world.start('w1', { bus });
    await scene.world.submit('g', { governor: 'none' });
    for (const word of words(40)) scene.world.engine.say('g', word);
    scene.world.engine.end('g');
    expect((await scene.world.until('g', 'done')).text).toBe(words(40).join(''));
    const last = scene.world.records('g').at(-1);
    expect((last?.base ?? 0) + (last?.tokens.length ?? 0)).toBe(40);
  });

  test('that does not answer for half a minute makes the run go on in another attempt', async () => {
    let isAway = false;
    // Its job comes back late: that is not what the run goes on by.
    scene.world = new World({ ackWaitMs: 60_000 });
    const bus = withAppend(
      scene.world.bus,
      (append) => (key, draft) =>
        isAway ? Promise.resolve({ type: 'unknown', detail: 'no answer' }) : append(key, draft),
    );
    const clock: Clock = {
      now: () => Date.now() * 50,
      setTimeout: (fn, ms) => setTimeout(fn, ms / 50),
      clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout),
    };
    const worker = await scene.world.start('w1', { bus, clock });
    await scene.world.submit('g', { governor: 'none' });
    scene.world.engine.say('g', 'a');
    await waitFor(async () => (await scene.world.head('g')) !== undefined, { what: 'the first record' });
    isAway = true;
    scene.world.engine.say('g', 'b');
    await waitFor(() => scene.world.engine.aborts === 1, { what: 'the worker to give up' });
    isAway = false;
    await waitFor(() => scene.world.engine.requests.length === 2, { what: 'the next attempt' });
    scene.world.engine.say('g', 'c');
    scene.world.engine.end('g');
    expect(await scene.world.until('g', 'done')).toMatchObject({ text: 'ac', attempt: 2 });
    expect(worker.running).toBe(0);
  });

  test('that is full ends the generation with an error and the text that was stored', async () => {
    let room = 1;
    const bus = withAppend(scene.world.bus, (append) => (key, draft) => {
      room -= 1;
      return room < 0 ? Promise.resolve({ type: 'limit', detail: '10077' }) : append(key, draft);
    });
    await scene.world.start('w1', { bus });
    await scene.world.submit('g');
    scene.world.engine.say('g', 'kept');
    await waitFor(async () => (await scene.world.head('g')) !== undefined, { what: 'the first record' });
    scene.world.engine.say('g', 'refused');
    expect(await scene.world.until('g', 'done')).toMatchObject({
      text: 'kept',
      seq: 1,
      reason: 'error',
      error: { code: 'storage_limit' },
    });
  });

  /** The bus whose store treats the item of one generation in its own way once that is done. */
  const withFinish = (generation: string, finish: (item: StoredGeneration) => Promise<void>): Bus => {
    const { bus } = scene.world;
    const updateItem: Bus['sessions']['updateItem'] = async (key, item, rev) => {
      if (item.kind === 'generation' && item.id === generation && item.status === 'done') await finish(item);
      return bus.sessions.updateItem(key, item, rev);
    };
    return { ...bus, sessions: { ...bus.sessions, updateItem } };
  };
  const runTwo = async (bus: Bus, clock?: Clock): Promise<void> => {
    await scene.world.start('w1', { bus, slots: 1, ...(clock && { clock }) });
    for (const id of ['one', 'two']) {
      await scene.world.submit(id, { governor: 'none' });
      scene.world.engine.say(id, id);
      scene.world.engine.end(id);
    }
  };

  test('that does not take the end of a run does not keep its slot', async () => {
    let isAway = true;
    const bus = withFinish('one', () =>
      isAway ? Promise.reject(new BusUnavailableError('away')) : Promise.resolve(),
    );
    await runTwo(bus);
    expect(await scene.world.until('two', 'done')).toMatchObject({ text: 'two' });
    expect(await scene.world.item('one')).toMatchObject({ status: 'running' });
    isAway = false;
    expect(await scene.world.until('one', 'done')).toMatchObject({ text: 'one', reason: 'stop' });
  });

  test('that refuses an item for its size gets one without the text, and the run ends', async () => {
    const bus = withFinish('one', ({ text }) =>
      text === 'one' ? Promise.reject(new BusRefusedError('too_large', 'too large')) : Promise.resolve(),
    );
    await runTwo(bus);
    expect(await scene.world.until('one', 'done')).toMatchObject({
      text: '',
      error: { code: 'storage_limit' },
    });
    expect(await scene.world.until('two', 'done')).toMatchObject({ text: 'two' });
  });

  /** Twenty times as fast as ours. */
  const fast: Clock = {
    now: () => Date.now() * 20,
    setTimeout: (fn, ms) => setTimeout(fn, ms / 20),
    clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout),
  };
  const full = (): Promise<never> => Promise.reject(new BusRefusedError('full', 'full'));

  test('that is full for a while has the end of a run later, and nobody asks it without a pause', async () => {
    // Its job comes back late: that is not what the end is written by.
    scene.world = new World({ ackWaitMs: 60_000 });
    let asked = 0;
    let isFull = true;
    const bus = withFinish('one', () => {
      asked += 1;
      return isFull ? full() : Promise.resolve();
    });
    await runTwo(bus, fast);
    await scene.world.until('two', 'done');
    await waitFor(() => asked >= 3, { what: 'the end to be written again' });
    expect(asked).toBeLessThan(10);
    isFull = false;
    const item = await scene.world.until('one', 'done');
    expect(item).toMatchObject({ text: 'one', reason: 'stop', attempt: 1 });
    expect(item).not.toHaveProperty('allCrashes');
  });

  test('that is full for a while has what is queued run later, and nobody asks it without a pause', async () => {
    scene.world = new World({ ackWaitMs: 60_000 });
    const { bus } = scene.world;
    let asked = 0;
    let isFull = true;
    const updateItem: Bus['sessions']['updateItem'] = (...args) => {
      asked += 1;
      return isFull ? full() : bus.sessions.updateItem(...args);
    };
    const worker = await scene.world.start('w1', {
      bus: { ...bus, sessions: { ...bus.sessions, updateItem } },
    });
    await scene.world.submit('g');
    await waitFor(() => asked >= 2, { what: 'the claim to be tried again', timeoutMs: 14_000 });
    expect(asked).toBe(2);
    expect(worker.running).toBe(0);
    isFull = false;
    scene.world.engine.end('g');
    await waitFor(() => scene.world.engine.requests.length === 1, { what: 'the run', timeoutMs: 14_000 });
    expect(await scene.world.until('g', 'done')).toMatchObject({ attempt: 1, reason: 'stop' });
  }, 30_000);
});

test('a worker that is asked to stop while NATS is away gives up what it waits for, and stops', async () => {
  const { sessions } = scene.world.bus;
  const clock = new ManualClock();
  const backward = async function* (): AsyncGenerator<never> {
    yield await Promise.reject<never>(new BusUnavailableError('away'));
  };
  const bus = { ...scene.world.bus, sessions: { ...sessions, backward } };
  const worker = await scene.world.start('w1', { bus, clock });
  await scene.world.submit('g');
  await scene.world.until('g', 'running');
  const closing = worker.close();
  await clock.advanceAsync(20_000);
  await withTimeout(closing, 5_000, 'the worker to stop');
  // Whoever sweeps next finds a run of nobody.
  expect(await scene.world.item('g')).toMatchObject({ status: 'running', worker: 'w1' });
});
