import { build } from 'hdr-histogram-js';
import type { Histogram } from 'hdr-histogram-js';

/** What a histogram says, ms. */
export type LatencySummary = { readonly count: number; readonly p50: number; readonly p99: number };

/** What all viewers of a process received between two looks. */
export type Received = {
  readonly frames: number;
  readonly tokens: number;
  /** from a record being made by the worker to its frame being parsed here */
  readonly latency: LatencySummary;
  /** the same of the frames that brought a first token */
  readonly firstLatency: LatencySummary;
};

const US_PER_MS = 1000;
const MAX_LATENCY_US = 60_000_000;

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

/** Counts what the viewers of this process receive. */
export class Tally {
  /** generations of which a first token, an end came, since `begin` */
  started = 0;
  ended = 0;
  #frames = 0;
  #tokens = 0;
  readonly #latency = newHistogram();
  readonly #firstLatency = newHistogram();

  begin(): void {
    this.started = 0;
    this.ended = 0;
  }

  /** Starts a new window. */
  mark(): void {
    this.#frames = 0;
    this.#tokens = 0;
    this.#latency.reset();
    this.#firstLatency.reset();
  }

  /** @param at when the worker made the record, ms since the Unix epoch */
  delta(from: number, seq: number, at: number): void {
    this.#frames += 1;
    this.#tokens += seq - from;
    // `at` is cut to whole ms and our clock is not, so this errs by 0..1 ms to the slow side.
    const late = (performance.timeOrigin + performance.now() - at) * US_PER_MS;
    const value = Math.min(MAX_LATENCY_US, Math.max(1, Math.round(late)));
    this.#latency.recordValue(value);
    if (from === 0) this.#firstLatency.recordValue(value);
  }

  read(): Received {
    return {
      frames: this.#frames,
      tokens: this.#tokens,
      latency: summaryOf(this.#latency),
      firstLatency: summaryOf(this.#firstLatency),
    };
  }
}
