import type { EdgeReport, WorkerReport } from '@sluice/protocol';
import { newsOf } from './percentile.ts';
import type { Counts } from './percentile.ts';

/** Two reports closer than this are no base for a rate, ms. */
const MIN_SPAN_MS = 400;

/** What a rate is made of. */
type Base = { readonly at: number; readonly tokens: number };

/** One edge or worker as this page knows it. */
export type Source<Report extends EdgeReport | WorkerReport> = {
  readonly report: Report;
  /** tokens per second: sent by an edge, made by a worker; undefined until there are two reports */
  readonly rate: number | undefined;
  /** latencies that came with the newest report: delivery of an edge, first tokens of a worker */
  readonly news: Counts;
  /** of this page's clock, ms */
  readonly seenAt: number;
  readonly base: Base;
};

const tokensOf = (report: EdgeReport | WorkerReport): number =>
  report.type === 'edge' ? report.delivered : report.tokens;

const latenciesOf = (report: EdgeReport | WorkerReport): Counts =>
  report.type === 'edge' ? report.delivery : report.firstToken;

const baseOf = (report: EdgeReport | WorkerReport): Base => ({ at: report.at, tokens: tokensOf(report) });

export const isSameProcess = (
  left: { readonly startedAt: number } | undefined,
  right: { readonly startedAt: number },
): boolean => left?.startedAt === right.startedAt;

/** The source after a report; `before` is what was known of its name. Pure. */
export const sourceAfter = <Report extends EdgeReport | WorkerReport>(
  report: Report,
  before: Source<Report> | undefined,
  now: number,
): Source<Report> => {
  const latencies = latenciesOf(report);
  // The first report of a process tells of all its life: better than nothing to who has just come.
  if (before === undefined || !isSameProcess(before.report, report))
    return { report, rate: undefined, news: latencies, seenAt: now, base: baseOf(report) };
  const { base, rate } = before;
  const news = newsOf(latencies, latenciesOf(before.report));
  const spanMs = report.at - base.at;
  if (spanMs < MIN_SPAN_MS) return { report, rate, news, seenAt: now, base };
  const perSecond = ((tokensOf(report) - base.tokens) / spanMs) * 1_000;
  return { report, rate: Math.max(0, perSecond), news, seenAt: now, base: baseOf(report) };
};
