import { expect, test } from '@jest/globals';
import { createMemoryBus } from '@sluice/bus';
import type { StoreState } from '@sluice/bus';
import { silentLogger } from '@sluice/runtime';
import { deferred, ManualClock } from '@sluice/testkit';
import { StoreWatch } from '../src/feeds/store-watch.ts';

/** A watch whose looks are answered one by one, in order. */
const watched = () => {
  const looks: ReturnType<typeof deferred<StoreState>>[] = [];
  const store = (): Promise<StoreState> => {
    const look = deferred<StoreState>();
    looks.push(look);
    return look.promise;
  };
  const { sessions } = createMemoryBus();
  const watch = new StoreWatch({
    sessions: { ...sessions, store },
    clock: new ManualClock(),
    logger: silentLogger,
  });
  const told: string[] = [];
  watch.onReplaced(() => told.push(watch.name));
  return { watch, looks, told };
};
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** The first look says what the store is. */
const begun = async () => {
  const all = watched();
  const first = all.watch.look();
  await settle();
  all.looks[0]?.resolve({ store: 'one', rev: 10 });
  await first;
  return all;
};

test('who asks while a look is under way shares the next one, which is not older than the question', async () => {
  const { watch, looks } = await begun();
  const asking = [watch.holds({ rev: 11, store: 'one' })];
  await settle();
  asking.push(...[12, 13, 14].map((rev) => watch.holds({ rev, store: 'one' })));
  await settle();
  expect(looks).toHaveLength(2);
  looks[1]?.resolve({ store: 'one', rev: 11 });
  await settle();
  expect(looks).toHaveLength(3);
  looks[2]?.resolve({ store: 'one', rev: 13 });
  expect(await Promise.all(asking)).toEqual([true, true, true, false]);
});

test('what was heard of needs no look', async () => {
  const { watch, looks } = await begun();
  expect(await watch.holds({ rev: 10, store: 'one' })).toBe(true);
  expect(await watch.holds({ rev: 10 })).toBe(true);
  watch.heard(40);
  expect(await watch.holds({ rev: 40, store: 'one' })).toBe(true);
  expect(looks).toHaveLength(1);
});

test('another name, and an end before what was heard of, are another store; a rev that came meanwhile is none', async () => {
  const { watch, looks, told } = await begun();
  const look = async (state: StoreState, meanwhile = 0): Promise<void> => {
    const looking = watch.look();
    await settle();
    watch.heard(meanwhile);
    looks.at(-1)?.resolve(state);
    await looking;
  };
  await look({ store: 'one', rev: 12 }, 30);
  expect(told).toEqual([]);
  await look({ store: 'one', rev: 29 });
  expect(told).toEqual(['one']);
  await look({ store: 'one', rev: 29 });
  await look({ store: 'two', rev: 50 });
  expect(told).toEqual(['one', 'two']);
  expect(watch.name).toBe('two');
});

test('a look that fails is no answer, and the next tick looks again', async () => {
  const { watch, looks } = await begun();
  watch.doubt();
  watch.tick(1);
  await settle();
  looks[1]?.reject(new Error('down'));
  await settle();
  watch.tick(2);
  await settle();
  expect(looks).toHaveLength(3);
});
