import { STATS_BUCKETS_MS } from '@sluice/protocol';

/** Counts by bucket of `STATS_BUCKETS_MS`, as reports have them. */
export type Counts = readonly number[];

export const NO_COUNTS: Counts = Array.from({ length: STATS_BUCKETS_MS.length + 1 }, () => 0);

export const sumOf = (left: Counts, right: Counts): Counts =>
  NO_COUNTS.map((_, bucket) => (left[bucket] ?? 0) + (right[bucket] ?? 0));

/** What came since; a source whose counts fell began anew, and then all is news. */
export const newsOf = (now: Counts, before: Counts): Counts => {
  const news = NO_COUNTS.map((_, bucket) => (now[bucket] ?? 0) - (before[bucket] ?? 0));
  return news.some((count) => count < 0) ? now : news;
};

/**
 * @param share 0..1
 * @returns ms, by straight line within the bucket it falls into; undefined when nothing was counted
 */
export const percentile = (counts: Counts, share: number): number | undefined => {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return undefined;
  const wanted = Math.max(1, Math.ceil(total * share));
  let below = 0;
  for (const [bucket, count] of counts.entries()) {
    if (below + count < wanted) {
      below += count;
      continue;
    }
    const low = bucket === 0 ? 0 : (STATS_BUCKETS_MS[bucket - 1] ?? 0);
    const high = STATS_BUCKETS_MS[bucket] ?? low;
    return low + ((wanted - below) / count) * (high - low);
  }
  return undefined;
};
