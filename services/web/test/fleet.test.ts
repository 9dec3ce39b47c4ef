import { describe, expect, test } from '@jest/globals';
import { STATS_BUCKETS_MS } from '@sluice/protocol';
import type { EdgeReport, WorkerReport } from '@sluice/protocol';
import fc from 'fast-check';
import { Fleet, isLive } from '../src/dashboard/fleet.ts';
import { NO_COUNTS, percentile } from '../src/dashboard/percentile.ts';

const edgeOf = (report: Partial<EdgeReport> = {}): EdgeReport => ({
  ...{ type: 'edge', name: 'e1', startedAt: 1, at: 1_000, runs: [], errors: {}, delivery: NO_COUNTS },
  ...{ connections: 1, sessions: 1, viewers: 1, unacked: 0, delivered: 0, acks: 0, reconnects: 0 },
  ...report,
});

const workerOf = (report: Partial<WorkerReport> = {}): WorkerReport => ({
  ...{ type: 'worker', name: 'w1', startedAt: 1, at: 1_000, runs: [], ends: {}, firstToken: NO_COUNTS },
  ...{
    slots: 4,
    running: 1,
    progress: [],
    paused: 0,
    parked: 0,
    tokens: 0,
    parks: 0,
    saved: { stop: 0, park: 0 },
  },
  ...report,
});

const countsOf = (bucket: number, count: number): number[] =>
  NO_COUNTS.map((_, index) => (index === bucket ? count : 0));

describe('a percentile', () => {
  test('lies within the bucket that the exact one is in', () => {
    const latency = fc.double({ min: 0.01, max: 29_999, noNaN: true });
    fc.assert(
      fc.property(
        fc.array(latency, { minLength: 1, maxLength: 200 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (all, share) => {
          const bucketOf = (ms: number): number => STATS_BUCKETS_MS.findIndex((bound) => ms <= bound);
          const counts = NO_COUNTS.map((_, bucket) => all.filter((ms) => bucketOf(ms) === bucket).length);
          const sorted = all.toSorted((left, right) => left - right);
          const exact = sorted[Math.max(1, Math.ceil(all.length * share)) - 1] ?? 0;
          const found = percentile(counts, share) ?? Number.NaN;
          const bucket = bucketOf(exact);
          expect(found).toBeLessThanOrEqual(STATS_BUCKETS_MS[bucket] ?? 0);
          expect(found).toBeGreaterThanOrEqual(STATS_BUCKETS_MS[bucket - 1] ?? 0);
        },
      ),
    );
  });

  test('of nothing is unknown', () => {
    expect(percentile(NO_COUNTS, 0.5)).toBeUndefined();
  });
});

describe('a fleet', () => {
  test('sums what its processes do now, and their rates over their own time', () => {
    const fleet = new Fleet();
    for (const name of ['e1', 'e2']) fleet.apply(edgeOf({ name, delivered: 100 }), 0);
    expect(fleet.turn(0)).toMatchObject({ connections: 2, delivered: undefined, slots: 0 });
    // Late on the way, but its own clock says that it were two seconds.
    fleet.apply(edgeOf({ name: 'e1', at: 3_000, delivered: 300, connections: 5 }), 1_000);
    fleet.apply(edgeOf({ name: 'e2', at: 2_000, delivered: 150 }), 1_000);
    fleet.apply(workerOf(), 1_000);
    expect(fleet.turn(1_000)).toMatchObject({ connections: 6, delivered: 150, slots: 4, running: 1 });
  });

  test('does not take a repeat for a second', () => {
    const fleet = new Fleet();
    fleet.apply(workerOf({ tokens: 100 }), 0);
    fleet.apply(workerOf({ tokens: 200, at: 2_000 }), 1_000);
    fleet.apply(workerOf({ tokens: 201, at: 2_010 }), 1_010);
    expect(fleet.turn(1_010).made).toBe(100);
  });

  test('leaves out who went silent, and keeps what they did', () => {
    const fleet = new Fleet();
    fleet.apply(workerOf({ saved: { stop: 7, park: 1 }, ends: { stop: 2 } }), 0);
    expect(fleet.turn(60).running).toBe(1);
    expect(fleet.turn(5_000)).toMatchObject({ running: 0 });
    expect(fleet.workers.map((worker) => isLive(worker, 5_000))).toEqual([false]);
    fleet.turn(40_000);
    expect(fleet.workers).toEqual([]);
    expect(fleet.totals).toMatchObject({ savedByStop: 7, savedByPark: 1, ends: { stop: 2 } });
  });

  test('adds a process that was started again to what it did before', () => {
    const fleet = new Fleet();
    fleet.apply(edgeOf({ reconnects: 3, errors: { not_found: 1 }, delivered: 900 }), 0);
    fleet.apply(
      edgeOf({ startedAt: 2, at: 2_000, reconnects: 1, errors: { not_found: 1, internal: 1 } }),
      1_000,
    );
    expect(fleet.totals).toMatchObject({ reconnects: 4, errors: { not_found: 2, internal: 1 } });
    expect(fleet.turn(1_000).delivered).toBeUndefined();
  });

  test('measures latencies of the last seconds only', () => {
    const fleet = new Fleet();
    fleet.apply(edgeOf({ delivery: countsOf(20, 100) }), 0);
    const slow = fleet.turn(0).delivery.p50 ?? 0;
    expect(slow).toBeGreaterThan(STATS_BUCKETS_MS[19] ?? 0);
    for (let second = 1; second <= 11; second += 1) {
      const delivery = countsOf(20, 100).map((count, bucket) => (bucket === 0 ? second : count));
      fleet.apply(edgeOf({ at: 1_000 * (second + 1), delivery }), 1_000 * second);
      fleet.turn(1_000 * second);
    }
    expect(fleet.turn(12_000).delivery.p99).toBeLessThanOrEqual(STATS_BUCKETS_MS[0] ?? 0);
  });
});
