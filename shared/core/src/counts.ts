import { STATS_BUCKETS_MS } from '@sluice/protocol';
import type { Org } from '@sluice/protocol';

/** Orgs that come after so many others are counted together, in the whole system's figures only. */
const MAX_ORGS = 5_000;

/** Counts of what comes in kinds, such as errors by code. */
export class CountsByName extends Map<string, number> {
  add(name: string, amount = 1): void {
    this.set(name, (this.get(name) ?? 0) + amount);
  }

  addAll(others: CountsByName): void {
    for (const [name, count] of others) this.add(name, count);
  }
}

/** Latencies as counts by bucket: adding costs one search, and counts of many sources add up. */
export class LatencyCounts {
  /** upper bounds of the buckets; one more bucket counts the rest */
  readonly boundsMs = STATS_BUCKETS_MS;
  readonly #counts: number[] = Array.from({ length: STATS_BUCKETS_MS.length + 1 }, () => 0);
  #sumMs = 0;

  /** Of all latencies together. */
  get sumMs(): number {
    return this.#sumMs;
  }

  /** @param ms below 0 counts as 0: clocks differ */
  add(ms: number): void {
    this.#counts[bucketOf(ms)]! += 1;
    this.#sumMs += Math.max(0, ms);
  }

  addAll(others: LatencyCounts): void {
    others.#counts.forEach((count, bucket) => (this.#counts[bucket]! += count));
    this.#sumMs += others.#sumMs;
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

/** Something counted for every org. Metrics show the total only: their labels are bounded. */
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

  /** All orgs together. */
  get total(): Count {
    const total = this.#zero();
    for (const count of [this.#others, ...this.#orgs.values()]) total.add(count);
    return total;
  }

  /**
   * To be shown: one org's own, and nothing where it is counted with others, since theirs are not its business.
   * @param org undefined: all of them together
   */
  shown(org: Org | undefined): Count {
    return org === undefined ? this.total : (this.#orgs.get(org) ?? this.#zero());
  }
}
