import { afterAll, describe, expect, test } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { chosenSeed, waitFor } from '@sluice/testkit';
import type { NatsCluster } from '@sluice/testkit';
import type { Load } from '../load.ts';
import type { World } from '../nemesis.ts';
import { failuresOf, FAULTLESS, nth, tableOf } from '../report.ts';
import type { RunReport } from '../report.ts';
import { faultRun } from '../run.ts';
import type { RunOptions, Script } from '../run.ts';

/** One row of the fault matrix: what goes wrong, and what it may cost. */
export type Row = {
  /** of the matrix: `F1` */
  readonly id: string;
  /** as a sentence: what is done, and what must hold */
  readonly title: string;
  /** the figure that must be reached, as it is printed */
  readonly target: string;
  readonly options?: Partial<Omit<RunOptions, 'name' | 'seed'>>;
  readonly play: Script;
  /** checks the target; that nothing is lost, twice, invented or foreign is checked in every row */
  readonly holds: (report: RunReport) => void;
};

/** Rows run on demand: `make faults`. */
const row = process.env['FAULTS'] === 'long' ? test : test.skip;
const ROW_TIMEOUT_MS = 300_000;
const SEED = chosenSeed();

const DEFAULTS = {
  ...{ edges: 2, workers: 2, tokensPerSecond: 60, drainMs: 60_000 },
  load: { sessions: 5, viewers: 2, tokens: 300 },
} as const;

/** Makes one test of each row, and prints all figures at the end. */
export const playRows = (title: string, rows: readonly Row[], seed = SEED): void => {
  const played: Pick<RunReport, 'name' | 'figures'>[] = [];
  afterAll(() => {
    if (played.length > 0) process.stdout.write(`\n${title}, SEED=${seed}\n${tableOf(played)}\n`);
  });
  describe(title, () => {
    row.each(rows)(
      '$id: $title',
      async ({ id, target, options, play, holds }) => {
        const { on = 'R1', ...rest } = options ?? {};
        const name = `${id} on ${on}`;
        const report = await faultRun({ ...DEFAULTS, ...rest, name, seed, on }, play);
        played.push({ name, figures: { ...report.figures, target } });
        process.stdout.write(`${tableOf(played.slice(-1))}\n`);
        expect(failuresOf(report)).toBe('');
        expect(report.figures).toMatchObject(FAULTLESS);
        holds(report);
      },
      ROW_TIMEOUT_MS,
    );
  });
};

export const p95 = (values: readonly number[]): number => nth(values, 0.95);
export const longest = (values: readonly number[]): number => nth(values, 1);

export const seconds = (ms: number): Promise<void> => pause(ms * 1_000);

export const repeat = async (times: number, act: (index: number) => Promise<unknown>): Promise<void> => {
  for (let index = 0; index < times; index += 1) await act(index);
};

/** Every generation that runs now has gone on by twenty tokens, or has ended. */
export const untilFlowing = async ({ load }: { readonly load: Load }): Promise<void> => {
  const what = 'tokens everywhere';
  await waitFor(() => load.running.length > 0, { what, timeoutMs: 30_000 });
  const seqOf = (index: number): number => load.started[index]?.handles[0]?.position.seq ?? 0;
  const before = load.running.map((started) => load.started.indexOf(started));
  const from = before.map(seqOf);
  const isOver = (index: number): boolean =>
    load.started[index]?.isRefused === true || load.started[index]?.handles[0]?.status === 'done';
  await waitFor(() => before.every((index, at) => isOver(index) || seqOf(index) >= (from[at] ?? 0) + 20), {
    what,
    timeoutMs: 40_000,
    pollMs: 20,
  });
};

/** Attempts that are taken to have died with their worker. */
export const crashesIn = ({ histories }: RunReport): number =>
  histories.reduce((sum, { item }) => sum + (item?.allCrashes ?? item?.crashes ?? 0), 0);

/** The cluster of a row that runs on R3. */
export const clusterOf = ({ storage: { cluster } }: World): NatsCluster => {
  if (cluster === undefined) throw new TypeError('expected a row on R3');
  return cluster;
};
