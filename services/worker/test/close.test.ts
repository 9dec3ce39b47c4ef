import { describe, expect, test } from '@jest/globals';
import { BusUnavailableError } from '@sluice/bus';
import type { Bus } from '@sluice/bus';
import type { Engine, EngineRun } from '@sluice/core';
import type { Clock } from '@sluice/runtime';
import { deferred, waitFor } from '@sluice/testkit';
import { freshScene } from './support/scene.ts';
import { ScriptedEngine } from './support/scripted-engine.ts';

const scene = freshScene();

/** Ten times as fast as ours, so 11 s are over in 1.1 s. */
const clock: Clock = {
  now: () => Date.now() * 10,
  setTimeout: (fn, ms) => setTimeout(fn, ms / 10),
  clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout),
};
const IN_TIME_MS = 3_000;

const never = new Promise<never>(() => undefined);
const away = (): Promise<never> => Promise.reject(new BusUnavailableError('away'));

/** The bus with another session store. */
const withSessions = (sessions: Partial<Bus['sessions']>): Bus => {
  const { bus } = scene.world;
  return { ...bus, sessions: { ...bus.sessions, ...sessions } };
};

/** An engine that never lets go. */
class DeafEngine extends ScriptedEngine implements Engine {
  override generate(): EngineRun {
    const stuck: EngineRun = {
      next: () => never,
      return: () => never,
      throw: () => never,
      [Symbol.asyncIterator]: () => stuck,
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    return stuck;
  }
}

describe('a worker that is told to close ends in time', () => {
  const closesInTime = async (options: { bus?: Bus; engine?: ScriptedEngine }, reached: Promise<unknown>) => {
    const worker = await scene.world.start('w1', { ...options, clock });
    await scene.world.submit('g');
    await reached;
    const since = performance.now();
    await worker.close();
    return performance.now() - since;
  };

  test.each([
    ['a claim', (told: () => void) => withSessions({ item: () => (told(), never) })],
    ['the prompt of a run', (told: () => void) => withSessions({ prompt: () => (told(), never) })],
  ])('where %s hangs', async (_what, busOf) => {
    const reached = deferred<void>();
    const ms = await closesInTime({ bus: busOf(() => reached.resolve()) }, reached.promise);
    expect(ms).toBeLessThan(IN_TIME_MS);
  });

  test('where NATS is away while a conversation is read', async () => {
    const reached = deferred<void>();
    const backward = async function* (): AsyncGenerator<never> {
      reached.resolve();
      yield await away();
    };
    const ms = await closesInTime({ bus: withSessions({ backward }) }, reached.promise);
    expect(ms).toBeLessThan(IN_TIME_MS);
  });

  test('where its engine does not let go', async () => {
    const running = waitFor(
      async () => (await scene.world.item('g').catch(() => undefined))?.status === 'running',
      {
        what: 'the run',
      },
    );
    const ms = await closesInTime({ engine: new DeafEngine() }, running);
    expect(ms).toBeLessThan(IN_TIME_MS);
  });

  test('where NATS does not answer when it leaves', async () => {
    const { bus } = scene.world;
    const workers = { ...bus.workers, retire: () => never };
    let isLeaving = false;
    const jobs = { ...bus.jobs, adopt: (name: string) => (isLeaving ? never : bus.jobs.adopt(name)) };
    const worker = await scene.world.start('w1', { bus: { ...bus, workers, jobs }, clock });
    isLeaving = true;
    const since = performance.now();
    await worker.close();
    expect(performance.now() - since).toBeLessThan(IN_TIME_MS);
  });
});
