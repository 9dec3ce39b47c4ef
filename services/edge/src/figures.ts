import { LatencyCounts } from '@sluice/core';
import type { Org } from '@sluice/protocol';

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

/** Orgs that come after so many others are counted together, in the whole system's figures only. */
const MAX_ORGS = 5_000;

/** The figures of every org, for the stats sessions. Metrics know no orgs: their labels are bounded. */
export class Figures {
  readonly #orgs = new Map<Org, OrgFigures>();
  readonly #others = new OrgFigures();

  /** To be kept by whoever counts often. @param org undefined: nobody has signed in yet */
  of(org: Org | undefined): OrgFigures {
    if (org === undefined) return this.#others;
    const known = this.#orgs.get(org);
    if (known !== undefined) return known;
    if (this.#orgs.size >= MAX_ORGS) return this.#others;
    const figures = new OrgFigures();
    this.#orgs.set(org, figures);
    return figures;
  }

  total(): OrgFigures {
    const total = new OrgFigures();
    for (const figures of [this.#others, ...this.#orgs.values()]) total.add(figures);
    return total;
  }
}
