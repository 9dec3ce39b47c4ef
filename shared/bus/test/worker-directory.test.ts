import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { measured } from '@sluice/testkit';
import type { Bus, WorkerInfo } from '../src/index.ts';
import { WORKER_ANNOUNCE_MS, WORKER_TTL_MS } from '../src/index.ts';
import { backends, fullnessOf } from './world.ts';
import type { World } from './world.ts';

const worker = (name: string, slots = 4): WorkerInfo => ({
  worker: name,
  models: ['llama', 'a/b:c'],
  slots,
  running: [],
});

const names = (list: readonly WorkerInfo[]): string[] => list.map((entry) => entry.worker).toSorted();

describe.each(backends)('WorkerDirectory and Link on $name', ({ start }) => {
  let world: World;
  let bus: Bus;
  let other: Bus;
  beforeAll(async () => {
    world = await start();
    [bus, other] = await Promise.all([world.open(), world.open()]);
  });
  afterAll(() => world.stop());

  test('nobody is listed before anybody announced itself', async () => {
    expect(await bus.workers.list()).toEqual([]);
  });

  test('workers are listed with their newest announcement', async () => {
    await bus.workers.announce(worker('w1'));
    await other.workers.announce(worker('w2'));
    await bus.workers.announce(worker('w1', 3));
    expect(names(await other.workers.list())).toEqual(['w1', 'w2']);
    expect(await other.workers.list()).toContainEqual(worker('w1', 3));
  });

  test('a worker that retires is gone at once, and may come back', async () => {
    await bus.workers.announce(worker('w3'));
    await bus.workers.retire('w3');
    expect(names(await other.workers.list())).not.toContain('w3');
    await bus.workers.announce(worker('w3'));
    expect(names(await other.workers.list())).toContain('w3');
  });

  test('an announcement outlives two that get lost', () => {
    expect(WORKER_TTL_MS).toBeGreaterThan(WORKER_ANNOUNCE_MS * 3);
  });

  test('hundreds of workers are listed by one quick read', async () => {
    await Promise.all(Array.from({ length: 300 }, (_, n) => bus.workers.announce(worker(`many-${n}`))));
    const found = await measured(
      async () => {
        const begin = performance.now();
        const list = await other.workers.list();
        expect(list.filter((entry) => entry.worker.startsWith('many-'))).toHaveLength(300);
        return performance.now() - begin;
      },
      (ms) => ms < 500,
    );
    expect(found).toMatchObject({ isGood: true });
  });

  test('the link is connected, and the streams are nearly empty', async () => {
    expect(bus.link.connected).toBe(true);
    const fullness = await fullnessOf(bus);
    expect(fullness).toBeGreaterThanOrEqual(0);
    expect(fullness).toBeLessThan(0.1);
  });

  test('closing is idempotent, and leaves the others alone', async () => {
    const closing = await world.open();
    await Promise.all([closing.close(), closing.close()]);
    await closing.close();
    expect(names(await bus.workers.list())).toContain('w1');
  });
});
