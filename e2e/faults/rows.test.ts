import { afterAll, describe, expect, test } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { waitFor } from '@sluice/testkit';
import type { World } from './nemesis.ts';
import { failuresOf, tableOf } from './report.ts';
import type { RunReport } from './report.ts';
import { clusterRun, faultRun } from './run.ts';
import type { RunOptions } from './run.ts';
import { chosenSeed } from './seeded-random.ts';

/** The fault matrix, one scripted row each, and long seeded runs: `make faults`, about 15 minutes. */
const isLong = process.env['FAULTS'] === 'long';
const row = isLong ? test : test.skip;
const ROW_TIMEOUT_MS = 240_000;

const seed = chosenSeed();
const rows: { readonly name: string; readonly figures: RunReport['figures'] }[] = [];

const fleetOf = (name: string, changes: Partial<RunOptions> = {}): RunOptions => ({
  ...{ name, seed, edges: 2, workers: 2, tokensPerSecond: 60, drainMs: 60_000 },
  load: { sessions: 5, viewers: 2, tokens: 300 },
  ...changes,
});

/** Nothing may be lost, twice, invented or foreign in any row; then the row's own figure. */
const expectClean = (report: RunReport, figure = {}): void => {
  rows.push({ name: report.name, figures: { ...report.figures, ...figure } });
  process.stdout.write(`${tableOf(rows.slice(-1))}\n`);
  expect(failuresOf(report)).toBe('');
};

/** Every generation that runs now has gone on by twenty tokens, or has ended. */
const untilFlowing = async ({ load }: World): Promise<void> => {
  const what = 'tokens everywhere';
  await waitFor(() => load.running.length > 0, { what, timeoutMs: 30_000 });
  const before = load.running.map(({ handles }) => ({ handles, seq: positionOf(handles) }));
  await waitFor(
    () =>
      before.every(({ handles, seq }) => handles[0]?.status === 'done' || positionOf(handles) >= seq + 20),
    { what, timeoutMs: 40_000, pollMs: 20 },
  );
};

const positionOf = (handles: readonly { readonly position: { readonly seq: number } }[]): number =>
  handles[0]?.position.seq ?? 0;

const repeat = async (times: number, act: (index: number) => Promise<unknown>): Promise<void> => {
  for (let index = 0; index < times; index += 1) await act(index);
};

const longestGap = (report: RunReport): number =>
  Number(String(report.figures['gap p50/p95/max ms']).split(' / ').at(-1));

afterAll(() => {
  if (rows.length > 0) process.stdout.write(`\nall rows, SEED=${seed}\n${tableOf(rows)}\n`);
});

describe('the fault matrix', () => {
  row(
    'F1: kill -9 of a single NATS, back after 3 s: nothing acked is lost',
    async () => {
      const report = await faultRun(fleetOf('F1 kill -9 NATS, R1'), async (world) => {
        await repeat(2, async () => {
          await untilFlowing(world);
          await world.nats.kill();
          await pause(3_000);
          await world.nats.restart();
        });
      });
      expectClean(report, { target: 'gap <= 3 s + 5 s' });
      expect(longestGap(report)).toBeLessThanOrEqual(8_000);
    },
    ROW_TIMEOUT_MS,
  );

  row(
    'F2: kill -9 of the leader of three NATS servers: the gap is at most 12 s',
    async () => {
      const report = await clusterRun(fleetOf('F2 kill -9 leader, R3'), async (world, cluster) => {
        await repeat(2, async () => {
          await untilFlowing(world);
          const leader = await cluster.metaLeader();
          await leader.kill();
          await pause(8_000);
          await leader.restart();
          await cluster.metaLeader();
        });
      });
      expectClean(report, { target: 'gap <= 12 s' });
      expect(longestGap(report)).toBeLessThanOrEqual(12_000);
    },
    ROW_TIMEOUT_MS,
  );

  row(
    'F7: kill -9 of workers, one after another: another goes on from the same token',
    async () => {
      const report = await faultRun(fleetOf('F7 kill -9 worker x6', { workers: 3 }), async (world) => {
        await repeat(6, async (index) => {
          await untilFlowing(world);
          await world.fleet.replaceWorker(index % 3, 'SIGKILL');
        });
      });
      expectClean(report, { target: 'gap p95 <= 5 s' });
    },
    ROW_TIMEOUT_MS,
  );

  row(
    'F8: a worker stopped for 20 s is fenced: nothing it writes late is seen',
    async () => {
      let fenced = 0;
      const report = await faultRun(fleetOf('F8 SIGSTOP worker 20 s'), async (world) => {
        await untilFlowing(world);
        const slot = world.fleet.workers[0];
        await slot?.child.pause();
        await pause(20_000);
        slot?.child.resume();
        await pause(3_000);
        fenced = await world.fleet.workerMetric('sluice_worker_fenced_total');
      });
      expectClean(report, { fenced, target: 'zombie tokens 0, fenced >= 1' });
    },
    ROW_TIMEOUT_MS,
  );

  row(
    'F9: kill -9 of an edge: its clients go on at the other one',
    async () => {
      const report = await faultRun(fleetOf('F9 kill -9 edge x4'), async (world) => {
        await repeat(4, async (index) => {
          await untilFlowing(world);
          await world.fleet.replaceEdge(index % 2, 'SIGKILL');
        });
      });
      expectClean(report, { target: 'resume p95 <= 5 s, max <= 20 s' });
    },
    ROW_TIMEOUT_MS,
  );

  row(
    'F11: every client is cut every two seconds: credit, order and text hold',
    async () => {
      const report = await faultRun(fleetOf('F11 reconnect storm'), async ({ fleet }) => {
        await repeat(25, async () => {
          await pause(2_000);
          for (const { proxy } of fleet.edges) proxy.cutAll({ rst: true });
        });
      });
      expectClean(report, { target: 'lost and duplicate 0' });
    },
    ROW_TIMEOUT_MS,
  );

  row(
    'F20: a storm of cancels, many of them twice: one end each',
    async () => {
      const report = await faultRun(fleetOf('F20 cancel storm'), async ({ load }) => {
        await repeat(100, async () => {
          await pause(150);
          const handle = load.running[0]?.handles[0];
          await Promise.allSettled([handle?.cancel(), handle?.cancel()]);
        });
      });
      expectClean(report, { target: 'one end each' });
    },
    ROW_TIMEOUT_MS,
  );

  row(
    'F24: an edge told to stop sends its clients away, and loses nothing',
    async () => {
      const report = await faultRun(fleetOf('F24 SIGTERM edge x2'), async (world) => {
        await repeat(2, async (index) => {
          await untilFlowing(world);
          await world.fleet.replaceEdge(index, 'SIGTERM');
        });
      });
      expectClean(report, { target: 'lost 0, drained <= 30 s' });
    },
    ROW_TIMEOUT_MS,
  );

  row(
    'F25: a rolling update of edges and workers refuses no prompt',
    async () => {
      const report = await faultRun(fleetOf('F25 rolling update'), async (world) => {
        await repeat(2, async (index) => {
          await untilFlowing(world);
          await world.fleet.replaceWorker(index, 'SIGTERM');
          await world.fleet.replaceEdge(index, 'SIGTERM');
        });
      });
      expectClean(report, { target: 'refused 0' });
      expect(report.figures['refused']).toBe(0);
    },
    ROW_TIMEOUT_MS,
  );

  row(
    'F26: a worker told to stop hands over without generating twice',
    async () => {
      const report = await faultRun(fleetOf('F26 SIGTERM worker x4'), async (world) => {
        await repeat(4, async (index) => {
          await untilFlowing(world);
          await world.fleet.replaceWorker(index % 2, 'SIGTERM');
        });
      });
      expectClean(report, { target: 'hand-over <= 1 s, waste 0' });
    },
    ROW_TIMEOUT_MS,
  );

  row(
    'F28: an edge that stands still for 5 s loses nothing',
    async () => {
      const report = await faultRun(fleetOf('F28 SIGSTOP edge 5 s x2'), async (world) => {
        await repeat(2, async (index) => {
          await untilFlowing(world);
          const slot = world.fleet.edges[index];
          await slot?.child.pause();
          await pause(5_000);
          slot?.child.resume();
        });
      });
      expectClean(report, { target: 'lost 0' });
    },
    ROW_TIMEOUT_MS,
  );

  const seededRuns = [0, 1, 2].map((offset) => seed + offset);
  row.each(seededRuns)(
    'random faults for a minute and a half, seed %i',
    async (each) => {
      const options = fleetOf('seeded faults, long', { seed: each, workers: 3 });
      expectClean(await faultRun(options, { durationMs: 90_000, everyMs: [1_000, 4_000] }));
    },
    300_000,
  );
});
