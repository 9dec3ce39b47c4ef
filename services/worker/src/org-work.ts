import { LatencyCounts } from '@sluice/core';
import type { Org } from '@sluice/protocol';

/** What a worker did for one org since it started. */
export class OrgWork {
  /** tokens taken from the engine */
  tokens = 0;
  parks = 0;
  /** tokens not made because a run was stopped */
  savedByStop = 0;
  /** tokens not made because a run was parked and nobody came back */
  savedByPark = 0;
  readonly ends = new Map<string, number>();
  /** from the prompt to the first token */
  readonly firstToken = new LatencyCounts();

  end(reason: string): void {
    this.ends.set(reason, (this.ends.get(reason) ?? 0) + 1);
  }

  add(other: OrgWork): void {
    this.tokens += other.tokens;
    this.parks += other.parks;
    this.savedByStop += other.savedByStop;
    this.savedByPark += other.savedByPark;
    for (const [reason, count] of other.ends) this.ends.set(reason, (this.ends.get(reason) ?? 0) + count);
    this.firstToken.addAll(other.firstToken);
  }
}

/** Orgs that come after so many others are counted together, in the whole system's figures only. */
const MAX_ORGS = 5_000;

/** The work of every org, for the stats sessions. Metrics know no orgs: their labels are bounded. */
export class WorkByOrg {
  readonly #orgs = new Map<Org, OrgWork>();
  readonly #others = new OrgWork();

  /** To be kept by whoever counts often. */
  of(org: Org): OrgWork {
    const known = this.#orgs.get(org);
    if (known !== undefined) return known;
    if (this.#orgs.size >= MAX_ORGS) return this.#others;
    const work = new OrgWork();
    this.#orgs.set(org, work);
    return work;
  }

  total(): OrgWork {
    const total = new OrgWork();
    for (const work of [this.#others, ...this.#orgs.values()]) total.add(work);
    return total;
  }
}
