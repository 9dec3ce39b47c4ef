import { describe, expect, test } from '@jest/globals';
import type { UsageLedger } from '@sluice/bus';
import { parseOrg } from '@sluice/protocol';
import type { UsageRecord } from '@sluice/protocol';
import { usageReport } from '../../src/usage/usage-report.ts';
import { UsageSums } from '../../src/usage/usage-sums.ts';

const ORG = parseOrg('acme');
const PAGE = 1_000;

/** A ledger of so many records on each day, which counts what is read. */
const ledgerOf = (perDay: number, users = 10): UsageLedger & { read: UsageLedger['read']; pages: number } => {
  const record = (n: number): UsageRecord => ({
    ...{ v: 1, user: `u${n % users}`, model: 'm', reason: 'stop', attempts: 1, endedAt: 1, promptTokens: 1 },
    ...{ cachedTokens: 0, completionTokens: 1, gpuMs: 1, savedTokens: 0 },
  });
  const ledger = {
    pages: 0,
    append: () => Promise.resolve(),
    read: async (_org: unknown, _day: number, after = 0) => {
      ledger.pages += 1;
      await Promise.resolve();
      const count = Math.min(PAGE, perDay - after);
      const records = Array.from({ length: count }, (_, n) => record(after + n));
      return { records, last: after + count, more: after + count < perDay };
    },
  };
  return ledger;
};

const totalOf = async (sums: UsageSums, from: number, to: number): Promise<number> =>
  usageReport(await sums.of(ORG, from, to), [], undefined).total.generations;

describe('the sums of a ledger', () => {
  test('are read once, and then only what is new', async () => {
    const ledger = ledgerOf(2_500);
    const sums = new UsageSums(ledger);
    expect(await totalOf(sums, 0, 1)).toBe(5_000);
    expect(ledger.pages).toBe(6);
    expect(await totalOf(sums, 0, 1)).toBe(5_000);
    expect(ledger.pages).toBe(8);
  });

  test('are the same, however many ask for them at once', async () => {
    const sums = new UsageSums(ledgerOf(2_500));
    const totals = await Promise.all(Array.from({ length: 20 }, () => totalOf(sums, 0, 2)));
    expect(new Set(totals)).toEqual(new Set([7_500]));
  });

  test('of more than one request reads take several, each of them bounded', async () => {
    const ledger = ledgerOf(130_000);
    const sums = new UsageSums(ledger);
    let [refusals, pages] = [0, 0];
    for (;;) {
      const answer = await totalOf(sums, 0, 0).catch(
        (error: { code: string; retryAfterMs: number }) => error,
      );
      expect(ledger.pages - pages).toBeLessThanOrEqual(51);
      ({ pages } = ledger);
      if (typeof answer === 'number') {
        expect(answer).toBe(130_000);
        break;
      }
      expect(answer).toMatchObject({ code: 'unavailable', retryAfterMs: 1_000 });
      refusals += 1;
    }
    expect(refusals).toBe(2);
  });

  test('do not fill the memory: what was not asked for longest is read again', async () => {
    const ledger = ledgerOf(1_000, 1_000);
    const sums = new UsageSums(ledger);
    for (let day = 0; day < 300; day += 1) await sums.of(ORG, day, day);
    ledger.pages = 0;
    expect(await totalOf(sums, 299, 299)).toBe(1_000);
    expect(await totalOf(sums, 0, 0)).toBe(1_000);
    expect(ledger.pages).toBe(2);
  });

  test('of more rows than anybody reads are refused', async () => {
    const sums = await new UsageSums(ledgerOf(11_000, 11_000)).of(ORG, 0, 0);
    expect(() => usageReport(sums, ['user'], undefined)).toThrow('at most 10000 rows');
    expect(usageReport(sums, ['model'], undefined).rows).toHaveLength(1);
  });
});
