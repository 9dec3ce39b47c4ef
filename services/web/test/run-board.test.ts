import { expect, test } from '@jest/globals';
import { parseGenerationId, parseOrg, parseSessionId } from '@sluice/protocol';
import type { RunPhase, RunReport } from '@sluice/protocol';
import { RunBoard, standingOf, stretchesOf } from '../src/dashboard/run-board.ts';
import type { Run } from '../src/dashboard/run-board.ts';

const reportOf = (
  attempt: number,
  marks: readonly (readonly [RunPhase, number])[],
  rest = {},
): RunReport => ({
  ...{ org: parseOrg('o'), session: parseSessionId('s'), generation: parseGenerationId('g') },
  ...{ attempt, createdAt: 0, model: 'm', by: `w${attempt}` },
  marks: marks.map(([phase, at]) => ({ phase, at, seq: at / 10 })),
  ...rest,
});

const runOf = (...reports: readonly RunReport[]): Run => {
  const board = new RunBoard();
  for (const report of reports) board.apply(report);
  return board.runs[0] as Run;
};

const PARKED = reportOf(1, [
  ['claimed', 10],
  ['first_token', 50],
  ['paused', 200],
  ['parked', 400],
]);
const RESUMED = reportOf(
  2,
  [
    ['claimed', 900],
    ['first_token', 950],
    ['ended', 1_500],
  ],
  { reason: 'stop' },
);

test('attempts that arrive in any order make one timeline without a gap', () => {
  for (const reports of [
    [reportOf(0, [['queued', 0]]), PARKED, RESUMED],
    [RESUMED, PARKED],
  ]) {
    const run = runOf(...reports);
    expect(run).toMatchObject({ attempts: 2, endedAt: 1_500, reason: 'stop', tokens: 150 });
    const stretches = stretchesOf(run, 9_999);
    expect(stretches.map(({ activity }) => activity)).toEqual([
      ...['waiting', 'starting', 'streaming', 'paused', 'parked', 'starting', 'streaming'],
    ]);
    expect(stretches[0]?.from).toBe(0);
    for (const [index, { to }] of stretches.slice(0, -1).entries())
      expect(stretches[index + 1]?.from).toBe(to);
    expect(stretches.at(-1)?.to).toBe(1_500);
  }
});

test('a run that is not over reaches until now and says what it does', () => {
  const run = runOf(PARKED);
  expect(standingOf(run)).toBe('parked');
  expect(stretchesOf(run, 5_000).at(-1)).toEqual({ activity: 'parked', from: 400, to: 5_000 });
  expect(standingOf(runOf(PARKED, RESUMED))).toBe('stop');
});

test('a worker that was fenced says nothing about the run that goes on elsewhere', () => {
  const fenced = reportOf(1, [
    ['claimed', 10],
    ['first_token', 50],
    ['lost', 1_000],
  ]);
  const taken = reportOf(2, [
    ['claimed', 800],
    ['first_token', 900],
  ]);
  const run = runOf(fenced, taken);
  expect(standingOf(run)).toBe('streaming');
  expect(stretchesOf(run, 2_000).at(-1)).toEqual({ activity: 'streaming', from: 900, to: 2_000 });
});

test('old generations are forgotten', () => {
  const board = new RunBoard();
  for (let index = 0; index < 300; index += 1)
    board.apply(reportOf(1, [['claimed', index]], { generation: `g${index}`, createdAt: index }));
  expect(board.runs.length).toBe(100);
  expect(board.runs[0]?.generation).toBe('g299');
});
