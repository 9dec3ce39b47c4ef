import { StatsPublisher } from '@sluice/bus';
import type { Bus } from '@sluice/bus';
import { markOf, RecentRuns } from '@sluice/core';
import type { EdgeReport, GenerationKey, Org, RunReport } from '@sluice/protocol';
import type { Clock } from '@sluice/runtime';
import type { EdgeTally } from './edge-tally.ts';

/** What is watched; `unacked`: tokens sent to viewers that owe an ack for them. */
export type WatchLoad = { readonly sessions: number; readonly viewers: number; readonly unacked: number };

export type EdgeStatsDeps = {
  readonly bus: Bus;
  readonly clock: Clock;
  /** the edge's name */
  readonly edge: string;
  readonly tally: EdgeTally;
  readonly hub: { load(org?: Org): WatchLoad };
  /** connections of signed-in users */
  readonly users: { connections(org?: Org): number };
  /** of 1,000,000 output tokens; undefined: nobody said */
  readonly price: number | undefined;
};

/** What this edge reports into the stats sessions. */
export class EdgeStats {
  readonly #deps: EdgeStatsDeps;
  readonly #runs = new RecentRuns();
  readonly #publisher: StatsPublisher;
  readonly #startedAt: number;

  constructor(deps: EdgeStatsDeps) {
    this.#deps = deps;
    this.#startedAt = deps.clock.now();
    const report = (org: Org | undefined, runs: readonly RunReport[]): EdgeReport => this.#report(org, runs);
    this.#publisher = new StatsPublisher({ bus: deps.bus, name: deps.edge, runs: this.#runs, report });
  }

  /** @throws BusUnavailableError */
  start(): Promise<void> {
    return this.#publisher.start(this.#deps.clock.now);
  }

  /** A new prompt was stored: its run waits for a worker from now on. */
  prompted(key: GenerationKey, model: string, at: number): void {
    const run = { ...key, attempt: 0, createdAt: at, model, by: this.#deps.edge };
    this.#runs.begin(run, markOf('queued', at, 0));
  }

  tick(now: number): void {
    this.#publisher.tick(now);
  }

  close(): void {
    this.#publisher.close();
  }

  #report(org: Org | undefined, runs: readonly RunReport[]): EdgeReport {
    const { clock, edge, tally, hub, users, price } = this.#deps;
    const { delivered, acks, reconnects, errors, delivery } = tally.orgs.shown(org);
    return {
      type: 'edge',
      name: edge,
      startedAt: this.#startedAt,
      at: clock.now(),
      runs,
      connections: users.connections(org),
      ...hub.load(org),
      delivered,
      acks,
      reconnects,
      errors: Object.fromEntries(errors),
      delivery: delivery.counts(),
      ...(price === undefined ? {} : { price }),
    };
  }
}
