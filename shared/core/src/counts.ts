import { STATS_BUCKETS_MS } from '@sluice/protocol';
import type { Org } from '@sluice/protocol';

/** Orgs that come after so many others are counted together, in the whole system's figures only. */
const MAX_ORGS = 5_000;

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

/** What is counted, and can be added up. */
type Sum<Count> = { add(other: Count): void };

/** Something counted for every org, for the stats sessions. Metrics know no orgs: their labels are bounded. */
export class CountsByOrg<Count extends Sum<Count>> {
  readonly #zero: () => Count;
  readonly #orgs = new Map<Org, Count>();
  readonly #others: Count;

  /** @param zero makes a count of nothing */
  constructor(zero: () => Count) {
    this.#zero = zero;
    this.#others = zero();
  }

  /** To count with, and to be kept by whoever counts often. @param org undefined: nobody has signed in yet */
  of(org: Org | undefined): Count {
    if (org === undefined) return this.#others;
    const known = this.#orgs.get(org);
    if (known !== undefined) return known;
    if (this.#orgs.size >= MAX_ORGS) return this.#others;
    const count = this.#zero();
    this.#orgs.set(org, count);
    return count;
  }

  /**
   * To be shown: one org's own, and nothing where it is counted with others, since theirs are not its business.
   * @param org undefined: all of them together
   */
  shown(org: Org | undefined): Count {
    if (org !== undefined) return this.#orgs.get(org) ?? this.#zero();
    const total = this.#zero();
    for (const count of [this.#others, ...this.#orgs.values()]) total.add(count);
    return total;
  }
}
