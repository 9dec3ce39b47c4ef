import { readUsage } from './process-usage.ts';
import type { EdgeProcess } from './system.ts';

/** What an edge holds: all of it as the system sees it, and V8's own view of two parts. */
export type EdgeMemory = {
  readonly rssBytes: number;
  /** live objects and garbage that was not collected yet */
  readonly heapUsedBytes: number;
  /** buffers, outside the heap */
  readonly externalBytes: number;
};

const figure = (metrics: string, name: string): number => {
  const value = new RegExp(`^${name} (\\S+)$`, 'm').exec(metrics)?.[1];
  if (value === undefined) throw new Error(`/metrics: expected ${name}`);
  return Number(value);
};

export const readMemory = async ({ pid, adminUrl }: EdgeProcess): Promise<EdgeMemory> => {
  // Before the scrape, which makes garbage of its own.
  const { rssBytes } = await readUsage(pid);
  const response = await fetch(`${adminUrl}/metrics`);
  const metrics = await response.text();
  return {
    rssBytes,
    heapUsedBytes: figure(metrics, 'nodejs_heap_size_used_bytes'),
    externalBytes: figure(metrics, 'nodejs_external_memory_bytes'),
  };
};
