import { expect, test } from '@jest/globals';
import { systemClock } from '../src/index.ts';

test('the system clock tells ms since the epoch and fires timers', async () => {
  const before = Date.now();
  expect(systemClock.now()).toBeGreaterThanOrEqual(before);
  // Its timers are unreferenced, so something else must hold the loop open meanwhile.
  const hold = setTimeout(() => {}, 5_000);
  await new Promise<void>((resolve) => systemClock.setTimeout(resolve, 1));
  clearTimeout(hold);
});

test('a cleared timer does not fire, and clearing nothing is quiet', async () => {
  let fired = false;
  systemClock.clearTimeout(systemClock.setTimeout(() => (fired = true), 1));
  systemClock.clearTimeout(undefined);
  // Timers of equal length fire in the order they were set: one set later has fired once this has.
  await new Promise((resolve) => setTimeout(resolve, 1));
  expect(fired).toBe(false);
});
