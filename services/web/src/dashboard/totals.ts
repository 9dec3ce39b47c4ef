import type { StatsReport } from '@sluice/protocol';

type ByName = Readonly<Record<string, number>>;

/** What is counted since the processes started. */
export type Totals = {
  readonly tokens: number;
  readonly reconnects: number;
  readonly parks: number;
  readonly savedByStop: number;
  readonly savedByPark: number;
  readonly errors: ByName;
  readonly ends: ByName;
};

export const NO_TOTALS: Totals = {
  tokens: 0,
  reconnects: 0,
  parks: 0,
  savedByStop: 0,
  savedByPark: 0,
  errors: {},
  ends: {},
};

const added = (left: ByName, right: ByName): ByName => {
  const both: Record<string, number> = { ...left };
  for (const [name, count] of Object.entries(right)) both[name] = (both[name] ?? 0) + count;
  return both;
};

export const addTotals = (left: Totals, right: Totals): Totals => ({
  tokens: left.tokens + right.tokens,
  reconnects: left.reconnects + right.reconnects,
  parks: left.parks + right.parks,
  savedByStop: left.savedByStop + right.savedByStop,
  savedByPark: left.savedByPark + right.savedByPark,
  errors: added(left.errors, right.errors),
  ends: added(left.ends, right.ends),
});

export const totalsOf = (report: StatsReport): Totals =>
  report.type === 'edge'
    ? { ...NO_TOTALS, reconnects: report.reconnects, errors: report.errors }
    : {
        ...NO_TOTALS,
        tokens: report.tokens,
        parks: report.parks,
        savedByStop: report.saved.stop,
        savedByPark: report.saved.park,
        ends: report.ends,
      };
