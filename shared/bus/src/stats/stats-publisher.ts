import { StatsLeases } from '@sluice/core';
import type { RecentRuns } from '@sluice/core';
import { STATS_INTERVAL_MS, SYSTEM_STATS } from '@sluice/protocol';
import type { Org, RunReport, SessionKey, StatsReport } from '@sluice/protocol';
import type { Bus } from '../bus.ts';
import type { Subscription } from '../token-log.ts';

export type StatsSource = {
  readonly bus: Bus;
  /** the edge's or worker's name */
  readonly name: string;
  readonly runs: RecentRuns;
  /** The figures of one org, or of all; `runs` are what changed. */
  readonly report: (org: Org | undefined, runs: readonly RunReport[]) => StatsReport;
};

/**
 * Reports one process's figures as signals into the stats sessions that somebody observes, once a second each. An
 * edge hands them on like any other signal. Owns no timer: `tick` is called by its owner.
 */
export class StatsPublisher {
  readonly #source: StatsSource;
  readonly #leases = new StatsLeases(STATS_INTERVAL_MS);
  #subscription: Subscription | undefined;

  constructor(source: StatsSource) {
    this.#source = source;
  }

  /** @param now the owner's clock @throws BusUnavailableError */
  async start(now: () => number): Promise<void> {
    this.#subscription = await this.#source.bus.stats.onAsk(({ key, isNew }) => {
      this.#leases.ask(key, { isNew, now: now() });
      // Who has just come is not kept waiting for the owner's next tick.
      if (isNew) this.tick(now());
    });
  }

  /** To be called a few times a second. */
  tick(now: number): void {
    const { bus, name, runs, report } = this.#source;
    for (const { key, since } of this.#leases.due(now, runs.version)) {
      const org = orgOf(key);
      const data = report(org, runs.since(since, org));
      bus.presence.publish(key, { type: 'signal', user: name, connection: '', data });
    }
  }

  close(): void {
    this.#subscription?.close();
  }
}

/** Whose figures a stats session holds; undefined: everybody's. Which org may see those is the edge's business. */
const orgOf = ({ org, session }: SessionKey): Org | undefined => (session === SYSTEM_STATS ? undefined : org);
