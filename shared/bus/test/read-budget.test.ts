import { expect, test } from '@jest/globals';
import { deferred } from '@sluice/testkit';
import { ReadBudget } from '../src/read-budget.ts';

/** Begins a read of this cost, which ends when it is told to. */
const reader = (budget: ReadBudget, started: number[]) => (cost: number) => {
  const answer = deferred<number>();
  const done = budget.spend(cost, () => {
    started.push(cost);
    return answer.promise;
  });
  return { ...answer, done };
};
/** What is ready to start has started. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('reads start in their order while their costs fit, and the next ones as soon as one has ended', async () => {
  const started: number[] = [];
  const read = reader(new ReadBudget(10), started);
  const [first, second, third, fourth] = [read(6), read(3), read(5), read(1)];
  await settled();
  expect(started).toEqual([6, 3]);
  second.resolve(3);
  expect(await second.done).toBe(3);
  await settled();
  expect(started).toEqual([6, 3]);
  first.resolve(6);
  await settled();
  expect(started).toEqual([6, 3, 5, 1]);
  third.resolve(5);
  fourth.resolve(1);
  expect(await Promise.all([first.done, third.done, fourth.done])).toEqual([6, 5, 1]);
});

test('a read that fails makes room as well, and one that costs more than there is waits until it is alone', async () => {
  const started: number[] = [];
  const read = reader(new ReadBudget(10), started);
  const [small, huge] = [read(1), read(99)];
  await settled();
  expect(started).toEqual([1]);
  small.reject(new Error('no answer'));
  await expect(small.done).rejects.toThrow('no answer');
  await settled();
  expect(started).toEqual([1, 99]);
  huge.resolve(99);
  expect(await huge.done).toBe(99);
});
