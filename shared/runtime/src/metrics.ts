import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import { observeEventLoop } from './event-loop.ts';

export type { Counter, Gauge, Histogram, Registry } from 'prom-client';

export type MetricOptions<Label extends string> = {
  readonly name: string;
  readonly help: string;
  /** bounded sets only; see {@link createMetrics} */
  readonly labels?: readonly Label[];
};

/**
 * A number, or one for each value of the label. A metric of several labels has their values, in the order of the
 * labels and with a space between them, in place of one.
 */
export type Reading = number | ReadonlyMap<string, number>;

/** Latencies that somebody counts by bucket; one more than there are bounds. */
export type Latencies = {
  readonly boundsMs: readonly number[];
  readonly sumMs: number;
  counts(): readonly number[];
};

export type ReadOptions<Label extends string> = MetricOptions<Label> & {
  /** Called at each scrape, so that whoever counts does not know who looks. */
  readonly read?: () => Reading;
};

/** A counter for the hot path: adding is one addition; the registry reads it at each scrape. */
export type Tally = { add(amount: number): void; readonly value: number };

export type HistogramOptions<Label extends string> = MetricOptions<Label> & {
  /** Called at each scrape, and once before for the bounds. */
  readonly read?: () => Latencies;
};

/** The only door to prom-client. Each method throws TypeError on a name or label that breaks the conventions. */
export interface Metrics {
  readonly registry: Registry;
  counter<Label extends string = never>(options: ReadOptions<Label>): Counter<Label>;
  /** For what happens per token or frame, where a counter's own bookkeeping would show. */
  tally(options: MetricOptions<never>): Tally;
  gauge<Label extends string = never>(options: ReadOptions<Label>): Gauge<Label>;
  histogram<Label extends string = never>(options: HistogramOptions<Label>): Histogram<Label>;
  /** Stops the event-loop monitor and empties the registry. */
  close(): void;
}

/** From half a millisecond (a hop on loopback) to ten seconds (a cold model). */
export const LATENCY_BUCKETS_SECONDS: readonly number[] = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

const GEN_AI_NAME = /^gen_ai(_[a-z][a-z0-9]*)+$/;
const WRONG_UNIT =
  /_(ms|millis|milliseconds?|us|microseconds?|ns|nanoseconds?|minutes?|hours?|days?|kb|kib|mb|mib|gb|gib|kilobytes|megabytes|bits|percent)(_|$)/;
// One time series per value: unbounded ids would grow the registry, and would put customers' ids into it.
const UNBOUNDED_LABELS = new Set([
  'session',
  'user',
  'generation',
  'connection',
  'viewer',
  'item',
  'token',
  'ip',
]);

type Kind = 'counter' | 'gauge' | 'histogram';

const checkName = (service: string, kind: Kind, name: string): void => {
  const wrong = (expected: string): TypeError =>
    new TypeError(`metric name: expected ${expected}, got ${name}`);
  const ours = new RegExp(`^sluice_${service}(_[a-z][a-z0-9]*)+$`);
  if (!ours.test(name) && !GEN_AI_NAME.test(name)) throw wrong(`sluice_${service}_<noun>_<unit>[_total]`);
  if (WRONG_UNIT.test(name))
    throw wrong('a base unit (seconds, bytes, ratio, or the plural of what is counted)');
  if ((kind === 'counter') !== name.endsWith('_total'))
    throw wrong('`_total` at the end of counters and only there');
  if (/_(bucket|sum|count)$/.test(name)) throw wrong('no suffix that histograms reserve');
};

const checkLabels = (name: string, labels: readonly string[]): void => {
  for (const label of labels) {
    if (!/^[a-z][a-z0-9_]*$/.test(label) || UNBOUNDED_LABELS.has(label))
      throw new TypeError(`metric ${name}: expected labels with few values, got ${label}`);
  }
};

/** What a reading means to prom-client. */
const seriesOf = <Label extends string>(
  labels: readonly Label[],
  reading: Reading,
): ReadonlyArray<readonly [Partial<Record<Label, string>>, number]> => {
  if (typeof reading === 'number') return [[{}, reading]];
  return [...reading].map(([name, value]) => {
    const values = name.split(' ');
    const labelled: Partial<Record<Label, string>> = {};
    labels.forEach((label, index) => (labelled[label] = values[index] ?? ''));
    return [labelled, value];
  });
};

/** Shows what others counted; prom-client's own histogram can only observe. */
class LatencyHistogram extends Histogram {
  /** where prom-client keeps its one series */
  declare hashMap: Record<'', object>;

  show(latencies: Latencies): void {
    const { boundsMs, sumMs } = latencies;
    const counts = latencies.counts();
    const bucketValues = Object.fromEntries(boundsMs.map((ms, bucket) => [ms / 1000, counts[bucket] ?? 0]));
    const count = counts.reduce((sum, each) => sum + each, 0);
    this.hashMap = { '': { labels: {}, bucketValues, sum: sumMs / 1000, count } };
  }
}

/**
 * A registry with the process's own figures (`process_*`, `nodejs_*`) and the event loop's delay.
 *
 * Names are `sluice_<service>_<noun>_<unit>[_total]` in base units, or OpenTelemetry's `gen_ai_*`; labels have few
 * values, hence never a session's or a user's id.
 * @param service lower-case letters and digits, e.g. `edge`
 */
export const createMetrics = ({ service }: { readonly service: string }): Metrics => {
  if (!/^[a-z][a-z0-9]*$/.test(service))
    throw new TypeError(`service: expected lower-case letters and digits, got ${service}`);
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const common = <Label extends string>(kind: Kind, options: MetricOptions<Label>) => {
    const { name, help, labels = [] } = options;
    checkName(service, kind, name);
    checkLabels(name, labels);
    return { name, help, labelNames: [...labels], registers: [registry] };
  };
  const metrics: Omit<Metrics, 'close'> = {
    registry,
    counter: (options) => {
      const { read, labels = [] } = options;
      if (read === undefined) return new Counter(common('counter', options));
      return new Counter({
        ...common('counter', options),
        collect() {
          this.reset();
          for (const [labelled, value] of seriesOf(labels, read())) this.inc(labelled, value);
        },
      });
    },
    tally: (options) => {
      const tally = { value: 0, add: (amount: number) => void (tally.value += amount) };
      new Counter({
        ...common('counter', options),
        collect() {
          this.reset();
          this.inc(tally.value);
        },
      });
      return tally;
    },
    gauge: (options) => {
      const { read, labels = [] } = options;
      if (read === undefined) return new Gauge(common('gauge', options));
      return new Gauge({
        ...common('gauge', options),
        collect() {
          for (const [labelled, value] of seriesOf(labels, read())) this.set(labelled, value);
        },
      });
    },
    histogram: (options) => {
      const { read } = options;
      if (read === undefined)
        return new Histogram({ ...common('histogram', options), buckets: [...LATENCY_BUCKETS_SECONDS] });
      const histogram: LatencyHistogram = new LatencyHistogram({
        ...common('histogram', options),
        buckets: read().boundsMs.map((ms) => ms / 1000),
        collect: () => histogram.show(read()),
      });
      return histogram;
    },
  };
  const eventLoop = observeEventLoop(metrics, service);
  const close = (): void => {
    eventLoop.close();
    registry.clear();
  };
  return { ...metrics, close };
};
