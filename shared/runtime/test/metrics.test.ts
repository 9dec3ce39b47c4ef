import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createMetrics } from '../src/index.ts';
import type { Metrics } from '../src/index.ts';

let metrics: Metrics;
beforeEach(() => {
  metrics = createMetrics({ service: 'edge' });
});
afterEach(() => metrics.close());

describe('createMetrics', () => {
  test('exposes what was counted', async () => {
    const frames = metrics.counter({ name: 'sluice_edge_frames_total', help: 'Frames.', labels: ['type'] });
    frames.inc({ type: 'delta' }, 3);
    metrics.gauge({ name: 'sluice_edge_viewers', help: 'Viewers.', read: () => 7 });
    metrics.histogram({ name: 'sluice_edge_attach_seconds', help: 'Attach.' }).observe(0.002);
    const text = await metrics.registry.metrics();
    expect(text).toContain('sluice_edge_frames_total{type="delta"} 3');
    expect(text).toContain('sluice_edge_viewers 7');
    expect(text).toContain('sluice_edge_attach_seconds_bucket{le="0.0025"} 1');
  });

  test('exposes the process and the event loop', async () => {
    const text = await metrics.registry.metrics();
    expect(text).toContain('process_resident_memory_bytes');
    expect(text).toMatch(/^sluice_edge_event_loop_delay_seconds\{quantile="0.99"\} \d/m);
  });

  test('takes the OpenTelemetry names of generative AI', () => {
    const name = 'gen_ai_server_time_to_first_token_seconds';
    expect(() => metrics.histogram({ name, help: 'TTFT.' })).not.toThrow();
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
    expect(() => metrics[kind]({ name, help: 'x' })).toThrow(TypeError);
  });

  test.each(['session', 'user', 'generation', 'Type'])('refuses the label %s', (label) => {
    expect(() => metrics.gauge({ name: 'sluice_edge_viewers', help: 'x', labels: [label] })).toThrow(
      TypeError,
    );
  });

  test('two services in one process do not share a registry', () => {
    const other = createMetrics({ service: 'edge' });
    expect(other.registry).not.toBe(metrics.registry);
    other.close();
  });
});
