import { describe, expect, test } from '@jest/globals';
import { parseProcStat, parseProcStatus, parsePs, readUsage } from '../src/process-usage.ts';
import { medianOf, medianRatio, quantileOf } from '../src/statistics.ts';

describe('process usage', () => {
  test('adds user and system time, whatever the command is called', () => {
    const stat = '42 (a (b) c) S 1 42 42 0 -1 4194560 9 0 0 0 150 25 0 0 20 0 7 0 1 2 3';
    expect(parseProcStat(stat)).toBe(1_750);
  });

  test('reads resident memory', () => {
    expect(parseProcStatus('Name:\tnode\nVmRSS:\t    2048 kB\nThreads:\t7\n')).toBe(2 * 1024 * 1024);
  });

  test.each([
    ['  0:01.50  1024\n', 1_500],
    ['02:00:01.00 1024', 7_201_000],
    ['1-00:00:02 1024', 86_402_000],
  ])('reads the output of ps: %s', (line, cpuMs) => {
    expect(parsePs(line)).toEqual({ cpuMs, rssBytes: 1024 * 1024 });
  });

  test('finds this very process', async () => {
    const { cpuMs, rssBytes } = await readUsage(process.pid);
    expect(cpuMs).toBeGreaterThan(0);
    expect(rssBytes).toBeGreaterThan(10 * 1024 * 1024);
  });
});

describe('statistics', () => {
  test('take the middle', () => {
    expect(medianOf([3, 1, 2])).toBe(2);
    expect(medianOf([4, 1, 2, 3])).toBe(2.5);
    expect(() => medianOf([])).toThrow(RangeError);
  });

  test('take quantiles by nearest rank', () => {
    const values = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect(quantileOf(values, 0.99)).toBe(99);
    expect(quantileOf([7], 0.99)).toBe(7);
  });

  test('compare pair by pair, so that a machine that slows down does not count', () => {
    expect(medianRatio([2, 20, 200], [1, 10, 100])).toBe(2);
  });
});
