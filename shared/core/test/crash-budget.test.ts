import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { countCrash, countSpent, hasAdvanced, isSuspect, poisonEnd } from '../src/index.ts';
import type { CrashCount } from '../src/index.ts';

const RUNS = { numRuns: 2_000 };
/** Crashes in a row without progress that end a generation, all crashes that do, and what counts as progress. */
const IN_A_ROW = 3;
const IN_ALL = 10;
const PROGRESS = 8;

/** Crashes at these seqs of the log, one after another, until the generation is ended. */
const crashAll = (seqs: readonly number[]): { readonly counts: CrashCount[]; readonly ended: boolean } => {
  const counts: CrashCount[] = [];
  for (const seq of seqs) {
    const count = countCrash(counts.at(-1) ?? {}, seq);
    counts.push(count);
    if (poisonEnd(count) !== undefined) return { counts, ended: true };
  }
  return { counts, ended: false };
};

/** Tokens that a worker had made and not stored yet when it died. */
const lags = fc.array(fc.nat({ max: PROGRESS - 1 }), { minLength: IN_A_ROW, maxLength: IN_A_ROW });

describe('a generation that kills its worker', () => {
  test('at the same token each time ends with the third, if its engine goes on from a prefix', () => {
    fc.assert(
      fc.property(fc.nat({ max: 100_000 }), lags, (token, unstored) => {
        let stored = 0;
        const seqs = unstored.map((lag) => (stored = Math.max(stored, token - lag)));
        expect(crashAll(seqs)).toMatchObject({ ended: true, counts: { length: IN_A_ROW } });
      }),
      RUNS,
    );
  });

  test('at the same token each time ends with the third, if its engine starts again from zero', () => {
    fc.assert(
      fc.property(fc.nat({ max: 100_000 }), lags, (token, unstored) => {
        const seqs = unstored.map((lag) => Math.max(0, token - lag));
        expect(crashAll(seqs)).toMatchObject({ ended: true, counts: { length: IN_A_ROW } });
      }),
      RUNS,
    );
  });

  test('sooner each time ends with the third', () => {
    expect(crashAll([500, 200, 100])).toMatchObject({ ended: true });
    expect(crashAll([0, 0, 0])).toMatchObject({ ended: true });
  });

  test('whenever it likes ends at some time, and never before the third', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(), { minLength: IN_ALL, maxLength: 30 }), (seqs) => {
        const { counts, ended } = crashAll(seqs);
        expect(ended).toBe(true);
        expect(counts.length).toBeGreaterThanOrEqual(IN_A_ROW);
        expect(counts.length).toBeLessThanOrEqual(IN_ALL);
      }),
      RUNS,
    );
  });

  test('ends as an error that says how many workers it cost', () => {
    const error = (count: CrashCount): unknown => poisonEnd(count);
    expect(error({ crashes: 3 })).toEqual({
      reason: 'error',
      error: { code: 'worker_crashed', message: '3 workers in a row died while they ran this' },
    });
    expect(error({ crashes: 1, crashSeq: 900, allCrashes: 10 })).toEqual({
      reason: 'error',
      error: { code: 'worker_crashed', message: '10 workers died while they ran this' },
    });
    expect([{}, { crashes: 2 }, { crashes: 1, allCrashes: 9 }].map(error)).toEqual(
      Array.from({ length: 3 }, () => undefined),
    );
  });
});

describe('a generation that gets further with each worker that dies', () => {
  const steps = fc.array(fc.integer({ min: PROGRESS, max: 5_000 }), {
    minLength: IN_ALL - 1,
    maxLength: IN_ALL - 1,
  });

  test('goes on, and is never suspected', () => {
    fc.assert(
      fc.property(fc.nat({ max: 5_000 }), steps, (first, further) => {
        let seq = first;
        const { counts, ended } = crashAll([first, ...further.slice(1).map((step) => (seq += step))]);
        expect(ended).toBe(false);
        for (const count of counts) expect(count).toMatchObject({ crashes: 1 });
        expect(counts.some(isSuspect)).toBe(false);
      }),
      RUNS,
    );
  });

  test('by little steps goes on too: they are measured from the first crash of the row', () => {
    expect(crashAll([100, 104, 108, 112, 116, 120])).toMatchObject({ ended: false });
  });

  test('and starts from zero has to get further than any attempt before', () => {
    const { counts } = crashAll([500, 300]);
    expect(counts.at(-1)).toMatchObject({ crashes: 2, crashSeq: 500 });
    expect(countCrash(counts.at(-1) ?? {}, 508)).toEqual({ crashes: 1, crashSeq: 508, allCrashes: 3 });
  });
});

test('only two deaths in a row without progress make a suspect, whatever was before', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 60 }), { maxLength: IN_ALL }), (seqs) => {
      const { counts } = crashAll(seqs);
      for (const [index, count] of counts.entries()) {
        const before = counts[index - 1] ?? {};
        const isStuck = index > 0 && !hasAdvanced(before, seqs[index] ?? 0);
        expect(isSuspect(count)).toBe(isStuck);
        // What is compared with only grows: no attempt is measured by one that got less far.
        expect(count.crashSeq).toBeGreaterThanOrEqual(before.crashSeq ?? 0);
      }
    }),
    RUNS,
  );
});

describe('a count', () => {
  test('by a worker that knows only `crashes` is taken up where it is', () => {
    expect(countCrash({ crashes: 2 }, 0)).toEqual({ crashes: 3, crashSeq: 0, allCrashes: 3 });
    expect(countCrash({ crashes: 2, crashSeq: 40, allCrashes: 1 }, 44)).toMatchObject({ allCrashes: 3 });
    expect(countCrash({ crashes: 2 }, 400)).toEqual({ crashes: 1, crashSeq: 400, allCrashes: 3 });
  });

  test('of attempts that nobody began ends a generation only in all', () => {
    let count: CrashCount = {};
    for (let spent = 1; spent < IN_ALL; spent += 1) {
      count = { ...count, ...countSpent(count) };
      expect(poisonEnd(count)).toBeUndefined();
    }
    expect(poisonEnd(countSpent(count))).toBeDefined();
  });
});
