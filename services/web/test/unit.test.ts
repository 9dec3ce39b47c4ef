import { expect, test } from '@jest/globals';
import { COUNTS } from '../src/dashboard/unit.ts';

/** An axis of the charts has room for so many marks. */
const MARKS = 5;

test('marks on an axis of counts are whole, and no two are written alike', () => {
  for (const step of COUNTS.steps ?? [0.5]) {
    const marks = Array.from({ length: MARKS + 1 }, (_, index) => index * step);
    expect(marks.filter((mark) => !Number.isSafeInteger(mark))).toEqual([]);
    expect(new Set(marks.map(COUNTS.format)).size).toBe(marks.length);
  }
});

test('an axis of counts has marks, however high it is', () => {
  const [first, ...more] = COUNTS.steps ?? [];
  expect(first).toBe(1);
  let before = 1;
  for (const step of more) {
    expect(step / before).toBeGreaterThan(1);
    expect(step / before).toBeLessThanOrEqual(2.5);
    before = step;
  }
  expect(before).toBeGreaterThan(1e12);
});
