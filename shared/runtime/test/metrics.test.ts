import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createMetrics } from '../src/index.ts';
import type { Metrics } from '../src/index.ts';

const LATENCIES = { boundsMs: [1, 250], sumMs: 9_300, counts: () => [2, 3, 1] };

let metrics: Metrics;
beforeEach(() => {
  metrics = createMetrics({ service: 'edge' });
});
afterEach(() => metrics.close());

describe('createMetrics', () => {
  test('reads at each scrape what was counted until then', async () => {
    let frames = 2;
    metrics.counter({ name: 'sluice_edge_frames_total', help: 'Frames.', read: () => frames });
    metrics.gauge({ name: 'sluice_edge_viewers', help: 'Viewers.', read: () => frames + 5 });
    expect(await metrics.registry.metrics()).toContain('sluice_edge_frames_total 2');
    frames = 3;
    const text = await metrics.registry.metrics();
    expect(text).toContain('sluice_edge_frames_total 3');
    expect(text).toContain('sluice_edge_viewers 8');
  });

  test('shows a series for each name that was counted, also where it has several labels', async () => {
    const [errors, requests] = [new Map([['bad_frame', 3]]), new Map([['GET /v1/models 200', 4]])];
    const labels = ['method', 'route', 'status'] as const;
    metrics.counter({ name: 'sluice_edge_errors_total', help: 'E.', labels: ['code'], read: () => errors });
    metrics.counter({ name: 'sluice_edge_requests_total', help: 'R.', labels, read: () => requests });
    const text = await metrics.registry.metrics();
    expect(text).toContain('sluice_edge_errors_total{code="bad_frame"} 3');
    expect(text).toContain('sluice_edge_requests_total{method="GET",route="/v1/models",status="200"} 4');
  });

  test('shows the value of a single label as it is, with its spaces', async () => {
    const read = () => new Map([['a model', 2]]);
    metrics.gauge({ name: 'sluice_jobs_waiting', help: 'J.', labels: ['model'], read });
    expect(await metrics.registry.metrics()).toContain('sluice_jobs_waiting{model="a model"} 2');
  });

  test('shows latencies in seconds, as a histogram has them', async () => {
    metrics.histogram({ name: 'sluice_edge_attach_seconds', help: 'Attach.', read: () => LATENCIES });
    const shown = [
      'sluice_edge_attach_seconds_bucket{le="0.001"} 2',
      'sluice_edge_attach_seconds_bucket{le="0.25"} 5',
      'sluice_edge_attach_seconds_bucket{le="+Inf"} 6',
      'sluice_edge_attach_seconds_sum 9.3',
      'sluice_edge_attach_seconds_count 6',
    ].join('\n');
    for (let scrapes = 0; scrapes < 2; scrapes += 1)
      expect(await metrics.registry.metrics()).toContain(shown);
    const json = await metrics.registry.getMetricsAsJSON();
    expect(json.find(({ name }) => name === 'sluice_edge_attach_seconds')).toMatchObject({
      type: 'histogram',
    });
  });

  test('exposes the process and the event loop', async () => {
    const text = await metrics.registry.metrics();
    expect(text).toContain('process_resident_memory_bytes');
    expect(text).toMatch(/^sluice_edge_event_loop_delay_seconds\{quantile="0.99"\} \d/m);
  });

  test('says which version runs, on which Node', async () => {
    const shown = `sluice_edge_build_info{version="0.1.0",node="${process.version}"} 1`;
    expect(await metrics.registry.metrics()).toContain(shown);
  });

  test('takes the OpenTelemetry names of generative AI', () => {
    const name = 'gen_ai_server_time_to_first_token_seconds';
    expect(() => metrics.histogram({ name, help: 'TTFT.', read: () => LATENCIES })).not.toThrow();
  });

  test.each([
    ['counter', 'edge_frames_total'],
    ['counter', 'sluice_worker_frames_total'],
    ['counter', 'sluice_edge_frames'],
    ['counter', 'sluice_edge_Frames_total'],
    ['counter', 'sluice_edge_total_'],
    ['gauge', 'sluice_edge_viewers_total'],
    ['gauge', 'sluice_edge_viewers_count'],
    ['histogram', 'sluice_edge_attach_ms'],
    ['histogram', 'sluice_edge_attach_milliseconds'],
    ['histogram', 'sluice_edge_frame_kb'],
  ] as const)('refuses the %s %s', (kind, name) => {
    const make = {
      counter: () => metrics.counter({ name, help: 'x', read: () => 0 }),
      gauge: () => metrics.gauge({ name, help: 'x', read: () => 0 }),
      histogram: () => metrics.histogram({ name, help: 'x', read: () => LATENCIES }),
    };
    expect(make[kind]).toThrow(TypeError);
  });

  test.each(['session', 'user', 'generation', 'Type'])('refuses the label %s', (label) => {
    const viewers = { name: 'sluice_edge_viewers', help: 'x', labels: [label], read: () => 0 };
    expect(() => metrics.gauge(viewers)).toThrow(TypeError);
  });

  test('shows equal parts of a service side by side, the process once', async () => {
    for (const [upstream, count] of [
      ['a', 2],
      ['b', 3],
    ] as const) {
      const part = metrics.labelled({ upstream });
      part.counter({ name: 'sluice_edge_frames_total', help: 'Frames.', read: () => count });
      const byKind = new Map([['x', count]]);
      part.gauge({ name: 'sluice_edge_viewers', help: 'Viewers.', labels: ['kind'], read: () => byKind });
      const read = () => ({ ...LATENCIES, sumMs: count * 1_000 });
      part.histogram({ name: 'sluice_edge_attach_seconds', help: 'Attaching.', read });
      part.close();
    }
    const text = await metrics.registry.metrics();
    for (const [upstream, count] of Object.entries({ a: 2, b: 3 })) {
      expect(text).toContain(`sluice_edge_frames_total{upstream="${upstream}"} ${count}\n`);
      expect(text).toContain(`sluice_edge_viewers{upstream="${upstream}",kind="x"} ${count}\n`);
      expect(text).toContain(`sluice_edge_attach_seconds_sum{upstream="${upstream}"} ${count}\n`);
      expect(text).toContain(`sluice_edge_attach_seconds_bucket{le="0.25",upstream="${upstream}"} 5\n`);
    }
    expect(text.match(/^process_cpu_seconds_total /gm)).toHaveLength(1);
  });

  test('two services in one process do not share a registry', () => {
    const other = createMetrics({ service: 'edge' });
    expect(other.registry).not.toBe(metrics.registry);
    other.close();
  });
});
