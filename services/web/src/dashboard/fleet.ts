import type { EdgeReport, StatsReport, WorkerReport } from '@sluice/protocol';
import { NO_COUNTS, percentile, sumOf } from './percentile.ts';
import type { Counts } from './percentile.ts';
import { isSameProcess, sourceAfter } from './source.ts';
import type { Source } from './source.ts';
import { addTotals, NO_TOTALS, totalsOf } from './totals.ts';
import type { Totals } from './totals.ts';

/** Reports come every second: one that misses a few is not there now, ms. */
const SILENT_MS = 4_000;
/** It stays in the list for a while, so that one sees who left, ms. */
const FORGET_MS = 30_000;
/** Percentiles are over so many seconds: deliveries are many, first tokens few. */
const DELIVERY_SPAN = 10;
const FIRST_TOKEN_SPAN = 60;

/** A second of the whole. Rates are tokens per second, latencies ms; undefined where nothing was measured. */
export type Moment = {
  readonly made: number | undefined;
  readonly delivered: number | undefined;
  readonly connections: number;
  readonly sessions: number;
  readonly viewers: number;
  readonly unacked: number;
  /** of all workers; undefined where an org is not told */
  readonly slots: number | undefined;
  readonly running: number;
  readonly paused: number;
  readonly parked: number;
  readonly delivery: Percentiles;
  readonly firstToken: Percentiles;
};

export type Percentiles = { readonly [Name in 'p50' | 'p95' | 'p99']: number | undefined };

const percentilesOf = (counts: Counts): Percentiles => ({
  p50: percentile(counts, 0.5),
  p95: percentile(counts, 0.95),
  p99: percentile(counts, 0.99),
});

/** The newest latencies of all sources, second by second. */
class Span {
  readonly #seconds: Counts[] = [];
  readonly #length: number;
  #current: Counts = NO_COUNTS;

  constructor(length: number) {
    this.#length = length;
  }

  add(counts: Counts): void {
    this.#current = sumOf(this.#current, counts);
  }

  /** Ends a second. */
  turn(): Percentiles {
    this.#seconds.push(this.#current);
    this.#current = NO_COUNTS;
    if (this.#seconds.length > this.#length) this.#seconds.shift();
    return percentilesOf(this.#seconds.reduce(sumOf));
  }
}

const sum = <Value>(values: readonly Value[], pick: (value: Value) => number): number =>
  values.reduce((total, value) => total + pick(value), 0);

const rateOf = (sources: readonly { readonly rate: number | undefined }[]): number | undefined => {
  const rates = sources.flatMap(({ rate }) => (rate === undefined ? [] : [rate]));
  return rates.length === 0 ? undefined : Math.round(sum(rates, (rate) => rate));
};

const slotsOf = (workers: readonly Source<WorkerReport>[]): number | undefined =>
  workers.some(({ report }) => report.slots === undefined)
    ? undefined
    : sum(workers, ({ report }) => report.slots ?? 0);

/** All edges and workers, from their reports. Pure: its owner has the clock. */
export class Fleet {
  readonly #edges = new Map<string, Source<EdgeReport>>();
  readonly #workers = new Map<string, Source<WorkerReport>>();
  readonly #delivery = new Span(DELIVERY_SPAN);
  readonly #firstToken = new Span(FIRST_TOKEN_SPAN);
  /** of processes that are gone */
  #gone = NO_TOTALS;

  apply(report: StatsReport, now: number): void {
    if (report.type === 'edge') this.#delivery.add(this.#take(this.#edges, report, now).news);
    else this.#firstToken.add(this.#take(this.#workers, report, now).news);
  }

  /** By name; those that went silent a moment ago among them. */
  get edges(): readonly Source<EdgeReport>[] {
    return sorted(this.#edges);
  }
  get workers(): readonly Source<WorkerReport>[] {
    return sorted(this.#workers);
  }

  /** Since each process started; those that went away while this page looked are in it. */
  get totals(): Totals {
    const reports = [...this.#edges.values(), ...this.#workers.values()].map(({ report }) => report);
    return reports.map(totalsOf).reduce(addTotals, this.#gone);
  }

  /** Tokens so far of what runs, by `<org>.<session>.<generation>`. */
  get made(): ReadonlyMap<string, number> {
    const runs = this.workers.flatMap(({ report }) => report.progress);
    return new Map(
      runs.map(({ org, session, generation, made }) => [`${org}.${session}.${generation}`, made]),
    );
  }

  /** Of 1,000,000 tokens, as the edges have it. */
  get price(): number | undefined {
    return this.edges.find(({ report }) => report.price !== undefined)?.report.price;
  }

  /** To be called once a second. */
  turn(now: number): Moment {
    this.#forget(this.#edges, now);
    this.#forget(this.#workers, now);
    const edges = this.edges.filter((source) => isLive(source, now));
    const workers = this.workers.filter((source) => isLive(source, now));
    return {
      made: rateOf(workers),
      delivered: rateOf(edges),
      connections: sum(edges, ({ report }) => report.connections),
      sessions: sum(edges, ({ report }) => report.sessions),
      viewers: sum(edges, ({ report }) => report.viewers),
      unacked: sum(edges, ({ report }) => report.unacked),
      slots: slotsOf(workers),
      running: sum(workers, ({ report }) => report.running),
      paused: sum(workers, ({ report }) => report.paused),
      parked: sum(workers, ({ report }) => report.parked),
      delivery: this.#delivery.turn(),
      firstToken: this.#firstToken.turn(),
    };
  }

  #take<Report extends StatsReport>(
    sources: Map<string, Source<Report>>,
    report: Report,
    now: number,
  ): Source<Report> {
    const before = sources.get(report.name);
    if (before !== undefined && !isSameProcess(before.report, report))
      this.#gone = addTotals(this.#gone, totalsOf(before.report));
    const source = sourceAfter(report, before, now);
    sources.set(report.name, source);
    return source;
  }

  #forget(sources: Map<string, Source<EdgeReport> | Source<WorkerReport>>, now: number): void {
    for (const [name, { report, seenAt }] of sources) {
      if (now - seenAt < FORGET_MS) continue;
      this.#gone = addTotals(this.#gone, totalsOf(report));
      sources.delete(name);
    }
  }
}

export const isLive = ({ seenAt }: { readonly seenAt: number }, now: number): boolean =>
  now - seenAt < SILENT_MS;

const sorted = <Report extends StatsReport>(
  sources: ReadonlyMap<string, Source<Report>>,
): readonly Source<Report>[] =>
  [...sources.values()].sort((left, right) => left.report.name.localeCompare(right.report.name, 'en'));
