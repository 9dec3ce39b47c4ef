import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { EngineError } from '@sluice/core';
import { waitFor } from '@sluice/testkit';
import { ScriptedEngine } from './support/scripted-engine.ts';
import { World } from './support/world.ts';

/** An engine whose list of models changes, or is not there. */
class ChangingEngine extends ScriptedEngine {
  listed: readonly string[] | Error = ['m'];

  override models(): Promise<readonly string[]> {
    return this.listed instanceof Error ? Promise.reject(this.listed) : Promise.resolve(this.listed);
  }
}

const refused = (status: number): EngineError =>
  new EngineError('upstream_rejected', `the upstream answered ${status}`, { status });
const unreachable = (): EngineError =>
  new EngineError('upstream_unavailable', 'the connection failed (ECONNREFUSED)', { isLost: true });

let world: World;
let engine: ChangingEngine;
beforeEach(() => {
  world = new World();
  engine = new ChangingEngine();
});
afterEach(() => world.stop());

const start = (modelsMs = 20) => world.start('w1', { engine, models: undefined, modelsMs });
const offered = async (): Promise<readonly string[] | undefined> =>
  (await world.bus.workers.list()).find(({ worker }) => worker === 'w1')?.models;
const untilOffered = (models: readonly string[] | undefined) =>
  waitFor(async () => JSON.stringify(await offered()) === JSON.stringify(models), {
    what: `the worker to offer ${String(models)}`,
  });
const answer = async (generation: string, model = 'm'): Promise<void> => {
  await world.submit(generation, {}, { model });
  engine.say(generation, 'hi');
  engine.end(generation);
  await world.until(generation, 'done');
};

describe('a worker that starts before its engine', () => {
  test('waits for it, says why it serves nothing, and serves once the engine is there', async () => {
    engine.listed = unreachable();
    const worker = await start();
    expect(worker.away).toContain('ECONNREFUSED');
    expect(await offered()).toBeUndefined();
    await world.submit('g');
    engine.say('g', 'hi');
    engine.end('g');
    expect((await world.item('g')).status).toBe('queued');
    engine.listed = ['m'];
    await world.until('g', 'done');
    await untilOffered(['m']);
    expect(worker.away).toBeUndefined();
  });

  test.each([
    ['lists no models', []],
    ['refuses to list them', refused(403)],
  ])('waits for one that %s too', async (_, listed) => {
    engine.listed = listed;
    const worker = await start();
    expect(worker.away).toMatch(/models/);
    engine.listed = ['m'];
    await untilOffered(['m']);
    expect(worker.away).toBeUndefined();
  });

  test('offers the models that it was told to, whatever the engine lists', async () => {
    engine.listed = refused(404);
    const worker = await world.start('w1', { engine, models: ['m'] });
    expect(worker.away).toBeUndefined();
    await untilOffered(['m']);
    await answer('g');
  });
});

describe('models that come and go', () => {
  test('are offered and withdrawn as the engine lists them', async () => {
    await start();
    await untilOffered(['m']);
    await answer('before');
    engine.listed = ['m', 'new'];
    await untilOffered(['m', 'new']);
    await answer('g', 'new');
    engine.listed = ['new'];
    await untilOffered(['new']);
    await world.submit('gone');
    await answer('still', 'new');
    expect((await world.item('gone')).status).toBe('queued');
  });

  test('are looked for when the engine does not know one, long before the next look', async () => {
    await start(600_000);
    engine.listed = ['other'];
    await world.submit('g');
    engine.fail('g', refused(404));
    await world.until('g', 'done');
    await untilOffered(['other']);
  });

  test('stay when a list fails, and go when nobody is there', async () => {
    const worker = await start();
    engine.listed = refused(500);
    await answer('g');
    expect(worker.away).toBeUndefined();
    engine.listed = unreachable();
    await untilOffered(undefined);
    expect(worker.away).toContain('ECONNREFUSED');
    engine.listed = ['m'];
    await untilOffered(['m']);
  });

  test('do not cost an idle worker more, the more there are', async () => {
    const waits = new Map<string, number>();
    const bus = {
      ...world.bus,
      jobs: {
        ...world.bus.jobs,
        pull: (...[model, waitMs, signal]: Parameters<typeof world.bus.jobs.pull>) => {
          waits.set(model, waitMs);
          return world.bus.jobs.pull(model, waitMs, signal);
        },
      },
    };
    const many = Array.from({ length: 300 }, (_, n) => `m${n}`);
    engine.listed = many;
    await world.start('w1', { engine, models: undefined, modelsMs: 20, bus });
    // 30 pulls a second in all.
    expect([...waits.values()]).toEqual(many.map(() => 10_000));
    engine.listed = ['other'];
    await waitFor(() => waits.has('other'), { what: 'a pull of the other model' });
    expect(waits.get('other')).toBe(1_500);
  });
});
