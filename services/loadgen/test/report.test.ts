import { describe, expect, test } from '@jest/globals';
import { exitCodeOf } from '../src/report/exit-code.ts';
import { withRun } from '../src/report/kept-rows.ts';
import { resultsOf, withResults } from '../src/report/results-page.ts';

const MACHINE = { cpu: 'C', cores: 2, node: 'v20', platform: 'linux x64', loadBefore: 0.1 };
const rowOf = (id: string, ok: boolean) => ({
  ...{ id, ok, what: `what of ${id}`, target: '<= 1 x', value: '2 us' },
  ...{ ratios: { 'raw TCP': 1.234 }, figures: {} },
});
const PEER = { name: 'raw TCP', version: 'v20', settings: 'noDelay' };
const runOf = (...rows: readonly ReturnType<typeof rowOf>[]) => ({
  ...{ machine: MACHINE, rows, peers: [PEER], absent: [{ peer: 'Nchan', reason: 'no nginx' }] },
});
const NOTHING = { rows: [], peers: [], absent: [] };

describe('the exit code', () => {
  test.each([
    ['a missed target with --check', [rowOf('P1a', true), rowOf('P1b', false)], 0, true, 1],
    ['a missed target without it', [rowOf('P1b', false)], 0, false, 0],
    ['all targets met', [rowOf('P1a', true)], 0, true, 0],
    ['a wrong text, whatever was asked', [rowOf('P1a', true)], 1, false, 1],
  ] as const)('for %s', (_, rows, faultCount, check, code) => {
    expect(exitCodeOf({ rows, verified: { faultCount } }, { check })).toBe(code);
  });
});

describe('kept rows', () => {
  test('of a later run replace those with the same ids, and stand in order', () => {
    const first = withRun(NOTHING, runOf(rowOf('P13', true), rowOf('P1a', false)));
    const both = withRun(first, runOf(rowOf('P1a', true), rowOf('P4', true)));
    expect(both.rows.map(({ id, ok }) => [id, ok])).toEqual([
      ['P1a', true],
      ['P4', true],
      ['P13', true],
    ]);
  });

  test('keep the peers of the run that had some', () => {
    const kept = withRun(withRun(NOTHING, runOf(rowOf('P1a', true))), { machine: MACHINE, rows: [] });
    expect(kept.peers).toEqual([PEER]);
    expect(kept.absent).toHaveLength(1);
  });
});

describe('the page of results', () => {
  const results = resultsOf(withRun(NOTHING, runOf(rowOf('P1b', false))));

  test('names the miss, the ratio to each peer and the peer that is absent', () => {
    expect(results).toContain('| P1b | what of P1b | <= 1 x | 2 us, missed | 1.23 x raw TCP |');
    expect(results).toContain('| Nchan | absent | no nginx |');
  });

  test('goes between its two lines and nowhere else', () => {
    const [begin, end] = ['<!-- bench:begin, written by `make bench-docs` -->', '<!-- bench:end -->'];
    const page = `before\n\n${begin}\n\nold\n\n${end}\n\nafter\n`;
    expect(withResults(page, results)).toBe(`before\n\n${begin}\n\n${results}\n\n${end}\n\nafter\n`);
    expect(() => withResults('no place', results)).toThrow(/bench:begin/);
  });
});
