import { describe, expect, test } from '@jest/globals';
import { ABANDONED_AFTER_MS, sharerOf, sweepStep } from '../src/index.ts';
import type { StoredGeneration, SweepStep } from '../src/index.ts';

const NOW = 10 * ABANDONED_AFTER_MS;

const itemOf = (changes: Partial<StoredGeneration>): StoredGeneration => ({
  ...{ id: 'g', kind: 'generation', user: 'ann', createdAt: 1, model: 'm', input: 'go' },
  ...{ governor: 'fastest', status: 'queued', attempt: 1, epoch: 0, seq: 0 },
  ...changes,
});

describe('an open generation', () => {
  const parkedAt = NOW - ABANDONED_AFTER_MS;
  test.each<[string, SweepStep, Partial<StoredGeneration> | undefined, boolean?]>([
    ['without an item', 'complete', undefined],
    ['that is done', 'forget', { status: 'done' }],
    ['that waits for a worker', 'queue', {}],
    ['that waits and is cancelled', 'end', { cancelledAt: 1 }],
    ['that waits and has cost three workers', 'end', { crashes: 3 }],
    ['whose worker runs it', 'leave', { status: 'running' }],
    ['whose worker runs it and was told to stop', 'leave', { status: 'running', cancelledAt: 1 }],
    ['whose worker is gone', 'adopt', { status: 'running' }, true],
    ['that is parked', 'leave', { status: 'parked', parkedAt }],
    ['that is parked for too long', 'end', { status: 'parked', parkedAt: parkedAt - 1 }],
    ['that is parked and cancelled', 'end', { status: 'parked', parkedAt, cancelledAt: 1 }],
  ])('%s: %s', (_what, step, changes, isDeserted = false) => {
    expect(sweepStep({ item: changes && itemOf(changes), isDeserted, now: NOW })).toBe(step);
  });
});

describe('the share of one who sweeps', () => {
  const names = ['a', 'b', 'c', 'd'];
  const keys = Array.from({ length: 4_000 }, (_, n) => `acme.s.${n}`);
  const sharesOf = (sharers: readonly string[]): Map<string, string | undefined> =>
    new Map(keys.map((key) => [key, sharerOf(key, sharers)]));

  test('is about as large as that of each other, whatever their order', () => {
    const shares = [...sharesOf(names).values()];
    for (const name of names) {
      const share = shares.filter((sharer) => sharer === name).length / keys.length;
      expect(share).toBeGreaterThan(0.2);
      expect(share).toBeLessThan(0.3);
    }
    expect(sharesOf(names.toReversed())).toEqual(sharesOf(names));
  });

  test('is what moves when it goes, and nothing else', () => {
    const [before, after] = [sharesOf(names), sharesOf(['a', 'b', 'd'])];
    for (const key of keys) if (before.get(key) !== 'c') expect(after.get(key)).toBe(before.get(key));
  });

  test('is nobody’s where nobody sweeps', () => {
    expect(sharerOf('acme.s.g', [])).toBeUndefined();
  });
});
