import { STATS_BUCKETS_MS } from '@sluice/protocol';

/** Latencies as counts by bucket: adding costs one search, and counts of many sources add up. */
export class LatencyCounts {
  readonly #counts: number[] = Array.from({ length: STATS_BUCKETS_MS.length + 1 }, () => 0);

  /** @param ms below 0 counts as 0: clocks differ */
  add(ms: number): void {
    this.#counts[bucketOf(ms)]! += 1;
  }

  addAll(others: LatencyCounts): void {
    others.#counts.forEach((count, bucket) => (this.#counts[bucket]! += count));
  }

  /** By bucket, as a report has them. */
  counts(): readonly number[] {
    return [...this.#counts];
  }
}

/** Index of the first bucket whose bound is not below `ms`. */
const bucketOf = (ms: number): number => {
  let low = 0;
  let high = STATS_BUCKETS_MS.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ms <= (STATS_BUCKETS_MS[middle] as number)) high = middle;
    else low = middle + 1;
  }
  return low;
};
