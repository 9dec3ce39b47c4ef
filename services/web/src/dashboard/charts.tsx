import type { History } from './history.ts';
import { LineChart } from './line-chart.tsx';
import { COUNTS, DURATIONS } from './unit.ts';

/** The last minutes. */
export const Charts = ({ history }: { readonly history: History }) => {
  const { times } = history;
  return (
    <section className="charts" aria-label="The last ten minutes">
      <LineChart
        title="Tokens per second"
        times={times}
        unit={COUNTS}
        series={[
          { name: 'made', hue: 1, values: history.column(({ made }) => made) },
          { name: 'delivered', hue: 2, values: history.column(({ delivered }) => delivered) },
        ]}
      />
      <LineChart
        title="Delivery latency"
        times={times}
        unit={DURATIONS}
        series={[
          { name: 'p50', hue: 1, values: history.column(({ delivery }) => delivery.p50) },
          { name: 'p95', hue: 2, values: history.column(({ delivery }) => delivery.p95) },
          { name: 'p99', hue: 3, values: history.column(({ delivery }) => delivery.p99) },
        ]}
      />
      <LineChart
        title="Generations"
        times={times}
        unit={COUNTS}
        series={[
          { name: 'running', hue: 1, values: history.column(({ running }) => running) },
          { name: 'paused', hue: 2, values: history.column(({ paused }) => paused) },
          { name: 'parked', hue: 3, values: history.column(({ parked }) => parked) },
        ]}
      />
      <LineChart
        title="Time to first token"
        times={times}
        unit={DURATIONS}
        series={[
          { name: 'p50', hue: 1, values: history.column(({ firstToken }) => firstToken.p50) },
          { name: 'p95', hue: 2, values: history.column(({ firstToken }) => firstToken.p95) },
        ]}
      />
      <LineChart
        title="Acks outstanding, tokens"
        times={times}
        unit={COUNTS}
        series={[{ name: 'un-acked', hue: 1, values: history.column(({ unacked }) => unacked) }]}
      />
      <LineChart
        title="Connections"
        times={times}
        unit={COUNTS}
        series={[
          { name: 'connections', hue: 1, values: history.column(({ connections }) => connections) },
          { name: 'sessions', hue: 2, values: history.column(({ sessions }) => sessions) },
        ]}
      />
    </section>
  );
};
