import { nameOfDay } from '@sluice/core';
import { SluiceError } from '@sluice/protocol';
import { dollarsOf, NO_USAGE, plus } from './usage-figures.ts';
import type { TokenPrice, UsageFigures } from './usage-figures.ts';
import type { UsageSum } from './usage-sums.ts';

export const USAGE_GROUPS = ['user', 'model', 'day'] as const;
export type UsageGroup = (typeof USAGE_GROUPS)[number];

/** Figures as they are told. `dollars` is there where the org has a price. */
export type ToldUsage = Omit<UsageFigures, 'gpuMs'> & {
  readonly gpuSeconds: number;
  readonly dollars?: number;
};
export type UsageRow = Partial<Record<UsageGroup, string>> & ToldUsage;
export type UsageReport = { readonly rows: readonly UsageRow[]; readonly total: ToldUsage };

/** More is no answer that anybody reads. */
const MAX_ROWS = 10_000;

/**
 * One row for each combination of the groups, in their order, and the total.
 * @throws SluiceError too_large
 */
export const usageReport = (
  sums: readonly UsageSum[],
  by: readonly UsageGroup[],
  price: TokenPrice | undefined,
): UsageReport => {
  const rows = new Map<string, { names: Partial<Record<UsageGroup, string>>; figures: UsageFigures }>();
  for (const sum of sums) {
    const names = Object.fromEntries(by.map((group) => [group, nameIn(sum, group)]));
    const key = JSON.stringify(Object.values(names));
    const figures = plus(rows.get(key)?.figures ?? NO_USAGE, sum.figures);
    rows.set(key, { names, figures });
    if (rows.size > MAX_ROWS)
      throw new SluiceError(
        'too_large',
        `expected at most ${MAX_ROWS} rows: ask for fewer days, or less in \`by\``,
      );
  }
  const ordered = [...rows].toSorted(([one], [other]) => (one < other ? -1 : 1));
  const total = sums.reduce((sum, { figures }) => plus(sum, figures), NO_USAGE);
  return {
    rows: ordered.map(([, { names, figures }]) => ({ ...names, ...told(figures, price) })),
    total: told(total, price),
  };
};

const nameIn = (sum: UsageSum, group: UsageGroup): string =>
  group === 'day' ? nameOfDay(sum.day) : sum[group];

const told = ({ gpuMs, ...figures }: UsageFigures, price: TokenPrice | undefined): ToldUsage => ({
  ...figures,
  gpuSeconds: gpuMs / 1_000,
  ...(price === undefined ? {} : { dollars: dollarsOf({ gpuMs, ...figures }, price) }),
});

const COLUMNS = [
  'generations',
  'promptTokens',
  'cachedTokens',
  'completionTokens',
  'gpuSeconds',
  'savedTokens',
  'estimated',
  'dollars',
] as const;

/** RFC 4180, with a line of names. */
export const csvOf = ({ rows, total }: UsageReport, by: readonly UsageGroup[]): string => {
  const columns = [...by, ...COLUMNS.filter((name) => name !== 'dollars' || total.dollars !== undefined)];
  const lines = rows.map((row) => columns.map((name) => cellOf(row[name] ?? '')));
  return [columns, ...lines].map((cells) => `${cells.join(',')}\r\n`).join('');
};

const cellOf = (value: string | number): string => {
  if (typeof value === 'number') return String(value);
  // A table program would take such a name for a formula.
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
};
