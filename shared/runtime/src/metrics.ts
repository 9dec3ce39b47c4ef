import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import { observeEventLoop } from './event-loop.ts';
import { VERSION } from './version.ts';

/**
 * A number, or one for each value of the label. Where a metric has several labels, a name is their values in the order
 * of the labels, with spaces between them; the one value of a single label may hold spaces.
 */
type MetricValue = number | ReadonlyMap<string, number>;

/** Latencies counted by bucket; one more than there are bounds. */
type Latencies = {
  readonly boundsMs: readonly number[];
  readonly sumMs: number;
  counts(): readonly number[];
};

type MetricOptions<Read> = {
  readonly name: string;
  readonly help: string;
  /** bounded sets only; see {@link createMetrics} */
  readonly labels?: readonly string[];
  /** Called at each scrape, so code that counts does not know its readers. A histogram's is called at the start too. */
  readonly read: () => Read;
};

/** The only door to prom-client. Each method throws TypeError on a name or label that breaks the conventions. */
export interface Metrics {
  readonly registry: Registry;
  counter(options: MetricOptions<MetricValue>): void;
  gauge(options: MetricOptions<MetricValue>): void;
  histogram(options: MetricOptions<Latencies>): void;
  /**
   * The same registry for one of several equal parts of the service: its metrics have these labels too, and a name may be
   * used by every part. Closing it changes nothing.
   */
  labelled(labels: Labels): Metrics;
  /** Stops the event-loop monitor and empties the registry. */
  close(): void;
}

/** Facts of the whole system: each service that knows one tells the same, and whoever reads takes the largest. */
const SYSTEM_NAMES: ReadonlySet<string> = new Set(['sluice_jobs_waiting']);
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

type Labels = Readonly<Record<string, string>>;
/** Where the values of one part of the service come from. */
type Source<Read> = { readonly fixed: Labels; readonly read: () => Read };

type Kind = 'counter' | 'gauge' | 'histogram';

const checkName = (service: string, kind: Kind, name: string): void => {
  const wrong = (expected: string): TypeError =>
    new TypeError(`metric name: expected ${expected}, got ${name}`);
  const ours = new RegExp(`^sluice_${service}(_[a-z][a-z0-9]*)+$`);
  if (!ours.test(name) && !GEN_AI_NAME.test(name) && !SYSTEM_NAMES.has(name))
    throw wrong(`sluice_${service}_<noun>_<unit>[_total]`);
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

/** A value as prom-client takes it. */
const seriesOf = (
  labels: readonly string[],
  value: MetricValue,
): ReadonlyArray<readonly [Readonly<Record<string, string>>, number]> => {
  if (typeof value === 'number') return [[{}, value]];
  return [...value].map(([name, count]) => {
    const values = labels.length === 1 ? [name] : name.split(' ');
    return [Object.fromEntries(labels.map((label, index) => [label, values[index] ?? ''])), count];
  });
};

/** Shows what others counted; prom-client's own histogram can only observe. */
class LatencyHistogram extends Histogram {
  /** where prom-client keeps its series; the key is ours */
  declare hashMap: Record<string, object>;

  show(sources: readonly Source<Latencies>[]): void {
    this.hashMap = Object.fromEntries(
      sources.map(({ fixed, read }) => [Object.values(fixed).join(' '), seriesOfLatencies(fixed, read())]),
    );
  }
}

const seriesOfLatencies = (labels: Labels, latencies: Latencies): object => {
  const { boundsMs, sumMs } = latencies;
  const counts = latencies.counts();
  const bucketValues = Object.fromEntries(boundsMs.map((ms, bucket) => [ms / 1000, counts[bucket] ?? 0]));
  const count = counts.reduce((sum, each) => sum + each, 0);
  return { labels, bucketValues, sum: sumMs / 1000, count };
};

/** Who reads what, by name: a further part of the service is read beside those that were there before. */
class Sources {
  readonly #byName = new Map<string, Source<unknown>[]>();

  /** @returns all of this name, if it is the first: its metric is to be made; else undefined */
  add<Read>(name: string, source: Source<Read>): readonly Source<Read>[] | undefined {
    const known = this.#byName.get(name) as Source<Read>[] | undefined;
    const isPart = Object.keys(source.fixed).length > 0;
    if (known !== undefined && isPart) return void known.push(source);
    const all = [source];
    this.#byName.set(name, all);
    return all;
  }
}

/**
 * A registry with the process's own figures (`process_*`, `nodejs_*`), its version and the event loop's delay.
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
  const own = metricsOf({ service, registry, sources: new Sources() }, {});
  own.gauge({
    name: `sluice_${service}_build_info`,
    help: 'Always 1; what runs, by its labels.',
    labels: ['version', 'node'],
    read: () => new Map([[`${VERSION} ${process.version}`, 1]]),
  });
  const eventLoop = observeEventLoop(own, service);
  const close = (): void => {
    eventLoop.close();
    registry.clear();
  };
  return { ...own, close };
};

type Shared = { readonly service: string; readonly registry: Registry; readonly sources: Sources };

const metricsOf = (shared: Shared, fixed: Labels): Metrics => {
  const { service, registry, sources } = shared;
  const common = <Read>(kind: Kind, { name, help, labels = [] }: MetricOptions<Read>) => {
    checkName(service, kind, name);
    checkLabels(name, labels);
    return { name, help, labelNames: [...Object.keys(fixed), ...labels], registers: [registry] };
  };
  return {
    registry,
    counter: (options) => {
      const { labels = [], name, read } = options;
      const made = common('counter', options);
      const all = sources.add(name, { fixed, read });
      if (all === undefined) return;
      const counter = new Counter({
        ...made,
        collect: () => {
          counter.reset();
          eachSeries(all, labels, (labelled, value) => counter.inc(labelled, value));
        },
      });
    },
    gauge: (options) => {
      const { labels = [], name, read } = options;
      const made = common('gauge', options);
      const all = sources.add(name, { fixed, read });
      if (all === undefined) return;
      const gauge = new Gauge({
        ...made,
        collect: () => eachSeries(all, labels, (labelled, value) => gauge.set(labelled, value)),
      });
    },
    histogram: (options) => {
      const { name, read } = options;
      const made = common('histogram', options);
      const all = sources.add(name, { fixed, read });
      if (all === undefined) return;
      const buckets = read().boundsMs.map((ms) => ms / 1000);
      const histogram: LatencyHistogram = new LatencyHistogram({
        ...{ ...made, buckets },
        collect: () => histogram.show(all),
      });
    },
    labelled: (labels) => metricsOf(shared, { ...fixed, ...labels }),
    close: () => undefined,
  };
};

const eachSeries = (
  sources: readonly Source<MetricValue>[],
  labels: readonly string[],
  show: (labelled: Labels, value: number) => void,
): void => {
  for (const { fixed, read } of sources)
    for (const [labelled, value] of seriesOf(labels, read())) show({ ...fixed, ...labelled }, value);
};
