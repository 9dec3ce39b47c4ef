import { expect, test } from '@jest/globals';
import { createMetrics } from '../src/index.ts';

test('a tally shows its sum at each scrape, however often it is scraped', async () => {
  const metrics = createMetrics({ service: 'edge' });
  const frames = metrics.tally({ name: 'sluice_edge_frames_total', help: 'Frames.' });
  frames.add(2);
  frames.add(3);
  expect(await metrics.registry.metrics()).toContain('sluice_edge_frames_total 5');
  frames.add(1);
  expect(await metrics.registry.metrics()).toContain('sluice_edge_frames_total 6');
  expect(frames.value).toBe(6);
  metrics.close();
});
