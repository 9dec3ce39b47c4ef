import type { ProbeSnapshot, Sample } from './probe.ts';

const RATE_SAMPLES = 20;

/** Tokens per second over the last two seconds. */
const rateOf = (samples: readonly Sample[]): number => {
  const recent = samples.slice(-RATE_SAMPLES);
  const [first] = recent;
  const last = recent.at(-1);
  if (first === undefined || last === undefined || last.at === first.at) return 0;
  return Math.max(0, ((last.received - first.received) / (last.at - first.at)) * 1_000);
};

const milliseconds = (value: number | undefined): string => {
  if (value === undefined) return '–';
  const ms = Math.max(0, Math.round(value));
  return ms < 1_000 ? `${ms} ms` : `${(ms / 1_000).toFixed(1)} s`;
};

/** What this tab measures of the newest answer. */
export const Figures = ({ meter, samples, reconnects }: ProbeSnapshot) => {
  const firstToken =
    meter?.firstTokenAt === undefined || meter.startedAt === undefined
      ? undefined
      : meter.firstTokenAt - meter.startedAt;
  const rows: readonly (readonly [string, string])[] = [
    ['Missing', `${meter?.missing ?? 0}`],
    ['Repeated', `${meter?.repeated ?? 0}`],
    ['Reconnects', `${reconnects}`],
    ['Tokens/s', `${Math.round(rateOf(samples))}`],
    ['First token', milliseconds(firstToken)],
    ['Delay p50', milliseconds(meter?.delayAt(0.5))],
    ['Delay p95', milliseconds(meter?.delayAt(0.95))],
    ['Delay p99', milliseconds(meter?.delayAt(0.99))],
  ];
  return (
    <dl className="figures">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
};
