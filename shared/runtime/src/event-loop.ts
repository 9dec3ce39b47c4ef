import { monitorEventLoopDelay } from 'node:perf_hooks';

const RESOLUTION_MS = 10;
const NANOSECONDS = 1e9;

type Gauges = {
  gauge(options: {
    readonly name: string;
    readonly help: string;
    readonly labels: readonly string[];
    readonly read: () => ReadonlyMap<string, number>;
  }): void;
};

/**
 * How late the event loop runs, as `sluice_<service>_event_loop_delay_seconds{quantile}` with quantiles 0.5, 0.99 and
 * 1 since the previous scrape: the first figure to look at when a service is slow, since everything waits for it.
 */
export const observeEventLoop = (metrics: Gauges, service: string): { close(): void } => {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delays.enable();
  // What is sampled is the time between two ticks of a timer: an idle loop shows its period, not zero.
  const secondsOf = (percentile: number): number =>
    Math.max(0, delays.percentile(percentile) / NANOSECONDS - RESOLUTION_MS / 1_000);
  metrics.gauge({
    name: `sluice_${service}_event_loop_delay_seconds`,
    help: 'How late the event loop ran, by quantile since the previous scrape.',
    labels: ['quantile'],
    read: () => {
      const [median, late, latest] = [secondsOf(50), secondsOf(99), secondsOf(100)];
      delays.reset();
      return new Map([
        ['0.5', median],
        ['0.99', late],
        ['1', latest],
      ]);
    },
  });
  return { close: () => void delays.disable() };
};
