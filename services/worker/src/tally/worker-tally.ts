import { CountsByName, CountsByOrg, LatencyCounts } from '@sluice/core';

/** What a worker did for one org since it started. */
export class OrgTally {
  /** taken from the engine */
  tokens = 0;
  /** tokens not made because a run was stopped */
  savedByStop = 0;
  /** tokens not made because a run was parked and nobody came back */
  savedByPark = 0;
  /** how attempts went, by outcome */
  readonly outcomes = new CountsByName();
  /** from the prompt to the first token of the generation */
  readonly promptToToken = new LatencyCounts();

  add(other: OrgTally): void {
    this.tokens += other.tokens;
    this.savedByStop += other.savedByStop;
    this.savedByPark += other.savedByPark;
    this.outcomes.addAll(other.outcomes);
    this.promptToToken.addAll(other.promptToToken);
  }
}

/**
 * What a worker counts: each thing once, where it happens. Prometheus reads it (`metrics.ts`, which says what each count
 * means), and so does the dashboard (`worker-stats.ts`).
 */
export class WorkerTally {
  readonly orgs = new CountsByOrg(() => new OrgTally());
  records = 0;
  heldMs = 0;
  fenced = 0;
  passedOn = 0;
  adopted = 0;
  takenOver = 0;
  /** attempts whose conversation left older turns out, since it exceeded its budget */
  cutConversations = 0;
  /** times that something which holds no slot any more had waited 30 s longer for NATS */
  longWaits = 0;
  readonly queueWait = new LatencyCounts();
  /** from an attempt's claim to its first token */
  readonly claimToToken = new LatencyCounts();
  readonly timePerToken = new LatencyCounts();
  readonly abort = new LatencyCounts();
  /** `hit` or `miss` */
  readonly promptTokens = new CountsByName();
  /** by queue: `own` or `any` */
  readonly jobs = new CountsByName();
  /** messages from NATS that are none of ours, by kind */
  readonly foreign = new CountsByName();
}
