import { build } from 'hdr-histogram-js';
import type { Histogram } from 'hdr-histogram-js';
import type { DeltaFrame } from '@sluice/protocol';

/** What a histogram says, ms. */
export type LatencySummary = { readonly count: number; readonly p50: number; readonly p99: number };

/** From when tokens were due at the engine to their frame being parsed here. */
export type OpenLoopLatency = {
  /** one sample a token, of those that came since `mark` */
  readonly all: LatencySummary;
  /** first tokens, of all that came since `begin` */
  readonly first: LatencySummary;
};

type Arrival = { readonly from: number; readonly seq: number; readonly arrivedAt: number };
type Run = { startedAt: number; first: number | undefined; arrivals: Arrival[] };
type Stamped = Pick<DeltaFrame, 'generation' | 'from' | 'seq' | 'at'>;

const US_PER_MS = 1000;
const MAX_LATENCY_US = 60_000_000;

/**
 * Latency from the schedule of an engine with a fixed rate, and not from when a record was made: what waited before it, in
 * the engine or in the worker, counts too. A record is never made before its last token was due, so the generation's
 * quickest record tells when it started. That one's own wait is all that is missed. `at` is cut to whole ms, which errs
 * by up to 1 ms to the slow side.
 */
export class OpenLoop {
  readonly #intervalMs: number;
  readonly #runs = new Map<string, Run>();

  /** @param intervalMs between two tokens of a generation */
  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  /** Forgets all generations. */
  begin(): void {
    this.#runs.clear();
  }

  /** Starts a new window. */
  mark(): void {
    for (const run of this.#runs.values()) run.arrivals = [];
  }

  /** @param arrivedAt ms since the Unix epoch, as `at` is, with fractions */
  delta({ generation, from, seq, at }: Stamped, arrivedAt: number): void {
    const run = this.#runs.get(generation) ?? { startedAt: Infinity, first: undefined, arrivals: [] };
    this.#runs.set(generation, run);
    run.startedAt = Math.min(run.startedAt, at - seq * this.#intervalMs);
    if (from === 0) run.first = arrivedAt;
    run.arrivals.push({ from, seq, arrivedAt });
  }

  read(): OpenLoopLatency {
    const [all, first] = [newHistogram(), newHistogram()];
    for (const run of this.#runs.values()) {
      const record = (to: Histogram, seq: number, arrivedAt: number): void => {
        const lateUs = Math.round((arrivedAt - run.startedAt - seq * this.#intervalMs) * US_PER_MS);
        to.recordValue(Math.min(MAX_LATENCY_US, Math.max(1, lateUs)));
      };
      if (run.first !== undefined) record(first, 1, run.first);
      for (const { from, seq, arrivedAt } of run.arrivals)
        for (let token = from + 1; token <= seq; token += 1) record(all, token, arrivedAt);
    }
    return { all: summaryOf(all), first: summaryOf(first) };
  }
}

const newHistogram = (): Histogram =>
  build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: MAX_LATENCY_US,
    numberOfSignificantValueDigits: 3,
  });

const summaryOf = (histogram: Histogram): LatencySummary => ({
  count: histogram.totalCount,
  p50: histogram.getValueAtPercentile(50) / US_PER_MS,
  p99: histogram.getValueAtPercentile(99) / US_PER_MS,
});
