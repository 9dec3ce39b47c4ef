import { LatencyCounts } from '@sluice/core';

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
