import type { StatsDemand } from '@sluice/bus';
import { ORG_STATS, SYSTEM_STATS } from '@sluice/protocol';
import type { SessionKey } from '@sluice/protocol';

/** Well within what an ask is good for, ms. */
const ASK_MS = 5_000;

/** Keeps reports coming into a stats session for as long as it is observed here. */
export class StatsWatch {
  readonly #key: SessionKey;
  readonly #demand: StatsDemand;
  #askedAt = 0;

  constructor(key: SessionKey, demand: StatsDemand) {
    this.#key = key;
    this.#demand = demand;
  }

  /** Somebody came: every edge and worker tells all it knows at once. */
  attached(now: number): void {
    this.#askedAt = now;
    this.#demand.ask({ key: this.#key, isNew: true });
  }

  /** To be called about once a second while there is an observer. */
  tick(now: number): void {
    if (now - this.#askedAt < ASK_MS) return;
    this.#askedAt = now;
    this.#demand.ask({ key: this.#key, isNew: false });
  }
}

/** @returns undefined for a session of people */
export const statsWatchOf = (key: SessionKey, demand: StatsDemand): StatsWatch | undefined =>
  key.session === ORG_STATS || key.session === SYSTEM_STATS ? new StatsWatch(key, demand) : undefined;
