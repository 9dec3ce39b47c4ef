import { CountsByOrg, LatencyCounts } from '@sluice/core';

/** What an edge did for one org since it started. */
export class OrgFigures {
  /** tokens sent, once per viewer */
  delivered = 0;
  acks = 0;
  reconnects = 0;
  readonly errors = new Map<string, number>();
  /** from a record being made to its frame being written */
  readonly delivery = new LatencyCounts();

  error(code: string): void {
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
  }

  add(other: OrgFigures): void {
    this.delivered += other.delivered;
    this.acks += other.acks;
    this.reconnects += other.reconnects;
    for (const [code, count] of other.errors) this.errors.set(code, (this.errors.get(code) ?? 0) + count);
    this.delivery.addAll(other.delivery);
  }
}

export type Figures = CountsByOrg<OrgFigures>;

export const createFigures = (): Figures => new CountsByOrg(() => new OrgFigures());
