import { CountsByName, CountsByOrg, LatencyCounts } from '@sluice/core';

/** What an edge did for one org since it started. */
export class OrgTally {
  /** tokens sent, once per viewer */
  delivered = 0;
  /** those that moved a viewer's position, from its client or from the socket that acks for it */
  acks = 0;
  /** connections that began with a position */
  reconnects = 0;
  readonly errors = new CountsByName();
  /** from a record being made to its frame being written */
  readonly delivery = new LatencyCounts();

  add(other: OrgTally): void {
    this.delivered += other.delivered;
    this.acks += other.acks;
    this.reconnects += other.reconnects;
    this.errors.addAll(other.errors);
    this.delivery.addAll(other.delivery);
  }
}

/**
 * What an edge counts: each thing once, where it happens. Prometheus reads it (`metrics.ts`, which says what each count
 * means), and so does the dashboard (`edge-stats.ts`).
 */
export class EdgeTally {
  readonly orgs = new CountsByOrg(() => new OrgTally());
  /** open now, by transport */
  readonly connections = new CountsByName();
  tokensIn = 0;
  frames = 0;
  replayed = 0;
  controlAcks = 0;
  blocked = 0;
  healed = 0;
  readonly resumes = new CountsByName();
  readonly tailChecks = new CountsByName();
  readonly prompts = new CountsByName();
  /** by `<method> <route> <status>` */
  readonly requests = new CountsByName();
  readonly closes = new CountsByName();
  /** connections and requests that were not looked at, by reason */
  readonly turnedAway = new CountsByName();
  /** messages from NATS that are none of ours, by kind */
  readonly foreign = new CountsByName();
}
