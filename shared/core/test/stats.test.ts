import { describe, expect, test } from '@jest/globals';
import { parseGenerationId, parseOrg, parseSessionId, STATS_BUCKETS_MS } from '@sluice/protocol';
import type { SessionKey } from '@sluice/protocol';
import fc from 'fast-check';
import { CountsByName, CountsByOrg, LatencyCounts, markOf, RecentRuns, StatsLeases } from '../src/index.ts';

const sumOf = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0);

describe('latency counts', () => {
  test('put each latency into the first bucket that is not below it', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -10, max: 60_000, noNaN: true }), { maxLength: 50 }),
        (latencies) => {
          const counts = new LatencyCounts();
          for (const ms of latencies) counts.add(ms);
          const found = counts.counts();
          expect(found).toHaveLength(STATS_BUCKETS_MS.length + 1);
          expect(sumOf(found)).toBe(latencies.length);
          expect(counts.sumMs).toBe(sumOf(latencies.map((ms) => Math.max(0, ms))));
          STATS_BUCKETS_MS.forEach((bound, bucket) => {
            expect(sumOf(found.slice(0, bucket + 1))).toBe(latencies.filter((ms) => ms <= bound).length);
          });
        },
      ),
    );
  });

  test('of two sources add up', () => {
    const [one, other] = [new LatencyCounts(), new LatencyCounts()];
    one.add(3);
    other.add(3);
    other.add(1e9);
    one.addAll(other);
    expect(sumOf(one.counts())).toBe(3);
    expect(one.counts().at(-1)).toBe(1);
    expect(one.sumMs).toBe(1e9 + 6);
  });
});

test('counts by name of two sources add up', () => {
  const [one, other] = [new CountsByName(), new CountsByName()];
  one.add('a');
  other.add('a', 2);
  other.add('b');
  one.addAll(other);
  expect(Object.fromEntries(one)).toEqual({ a: 3, b: 1 });
});

describe('counts by org', () => {
  class Count {
    value = 0;
    add({ value }: Count): void {
      this.value += value;
    }
  }
  const MANY = 5_000;
  const orgOf = (index: number) => parseOrg(`o${index}`);

  test('show each org its own, and all of them together', () => {
    const counts = new CountsByOrg(() => new Count());
    counts.of(orgOf(1)).value += 1;
    counts.of(orgOf(2)).value += 2;
    counts.of(undefined).value += 4;
    expect([orgOf(1), orgOf(2), undefined].map((org) => counts.shown(org).value)).toEqual([1, 2, 7]);
  });

  test('never show an org what others did, also where there are too many to count each', () => {
    const counts = new CountsByOrg(() => new Count());
    for (let index = 0; index < MANY + 2; index += 1) counts.of(orgOf(index)).value += 1;
    expect(counts.shown(orgOf(MANY - 1)).value).toBe(1);
    expect(counts.shown(orgOf(MANY)).value).toBe(0);
    expect(counts.shown(orgOf(MANY + 1)).value).toBe(0);
    expect(counts.shown(undefined).value).toBe(MANY + 2);
  });

  test('are made by who counts, not by who looks', () => {
    const counts = new CountsByOrg(() => new Count());
    for (let index = 0; index < MANY; index += 1) counts.shown(orgOf(index));
    counts.of(orgOf(MANY)).value += 1;
    expect(counts.shown(orgOf(MANY)).value).toBe(1);
  });
});

const keyOf = (org: string, session = 's'): SessionKey => ({
  org: parseOrg(org),
  session: parseSessionId(session),
});
const runOf = (org: string, generation: string, attempt = 1) => ({
  ...keyOf(org),
  ...{ generation: parseGenerationId(generation), attempt, createdAt: 1, model: 'm', by: 'w' },
});

describe('recent runs', () => {
  test('tell what changed since, of one org or all', () => {
    const recent = new RecentRuns();
    recent.begin(runOf('a', 'g1'), markOf('claimed', 1, 0));
    recent.begin(runOf('b', 'g2'), markOf('claimed', 2, 0));
    const { version } = recent;
    recent.mark(runOf('a', 'g1'), markOf('ended', 3, 9), { reason: 'stop' });
    expect(recent.since(version)).toMatchObject([
      { generation: 'g1', reason: 'stop', marks: [{ phase: 'claimed' }, { phase: 'ended', seq: 9 }] },
    ]);
    expect(recent.since(0)).toHaveLength(2);
    expect(recent.since(0, parseOrg('b'))).toMatchObject([{ generation: 'g2' }]);
    expect(recent.since(recent.version)).toEqual([]);
  });

  test('are bounded in number and in marks, and keep the first and the newest', () => {
    const recent = new RecentRuns();
    for (let index = 0; index < 1_000; index += 1)
      recent.begin(runOf('a', `g${index}`), markOf('claimed', index, 0));
    for (let index = 0; index < 1_000; index += 1)
      recent.mark(runOf('a', 'g999'), markOf('paused', index, index));
    recent.mark(runOf('a', 'g0'), markOf('ended', 1, 1));
    expect(recent.since(0)).toHaveLength(64);
    const marks = recent.since(0).at(-1)?.marks ?? [];
    expect(marks.length).toBeLessThanOrEqual(32);
    expect(marks[0]).toMatchObject({ phase: 'claimed' });
    expect(marks.at(-1)).toMatchObject({ at: 999 });
  });
});

describe('leases', () => {
  const key = keyOf('a');

  test('make a report due at once and then once per interval, until nobody asks any more', () => {
    const leases = new StatsLeases(1_000);
    expect(leases.due(0, 7)).toEqual([]);
    leases.ask(key, { isNew: true, now: 0 });
    expect(leases.due(0, 7)).toEqual([{ key, since: 0 }]);
    expect(leases.due(999, 8)).toEqual([]);
    expect(leases.due(1_000, 9)).toEqual([{ key, since: 7 }]);
    leases.ask(key, { isNew: false, now: 10_000 });
    expect(leases.due(20_000, 9)).toEqual([{ key, since: 9 }]);
    expect(leases.due(25_000, 9)).toEqual([]);
    leases.ask(key, { isNew: false, now: 30_000 });
    expect(leases.due(30_000, 9)).toEqual([{ key, since: 0 }]);
  });

  test('tell everything again when somebody else comes', () => {
    const leases = new StatsLeases(1_000);
    leases.ask(key, { isNew: true, now: 0 });
    leases.due(0, 7);
    leases.ask(key, { isNew: true, now: 10 });
    expect(leases.due(10, 7)).toEqual([{ key, since: 0 }]);
  });

  test('are bounded', () => {
    const leases = new StatsLeases(1_000);
    for (let index = 0; index < 5_000; index += 1) leases.ask(keyOf(`o${index}`), { isNew: true, now: 0 });
    expect(leases.due(0, 0)).toHaveLength(1_000);
  });
});
