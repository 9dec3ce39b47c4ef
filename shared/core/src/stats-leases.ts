import type { SessionKey } from '@sluice/protocol';

/** Who asked for reports gets them for this long, ms; askers repeat themselves well before. */
const LEASE_MS = 15_000;
/** Observed sessions at a time: the asker is an edge of ours, but its bound is not ours to trust. */
const MAX_LEASES = 1_000;

/** A report that is due; `since` is the run log's version at the last one, 0 when somebody came. */
export type DueReport = { readonly key: SessionKey; readonly since: number };

type Lease = { readonly key: SessionKey; until: number; dueAt: number; since: number };

/**
 * Which stats sessions are observed somewhere, and when each gets its next report. Nobody observes, no work.
 * Pure: time is an argument.
 */
export class StatsLeases {
  readonly #leases = new Map<string, Lease>();
  readonly #intervalMs: number;

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  /** @param isNew somebody came who has nothing yet: the next report is due at once and holds everything */
  ask(key: SessionKey, { isNew, now }: { readonly isNew: boolean; readonly now: number }): void {
    const path = `${key.org}.${key.session}`;
    const known = this.#leases.get(path);
    if (known === undefined) {
      if (this.#leases.size < MAX_LEASES)
        this.#leases.set(path, { key, until: now + LEASE_MS, dueAt: now, since: 0 });
      return;
    }
    known.until = now + LEASE_MS;
    if (isNew) Object.assign(known, { dueAt: now, since: 0 });
  }

  /** What is due, each once per interval. @param version the run log's, up to which these reports tell */
  due(now: number, version: number): readonly DueReport[] {
    const due: DueReport[] = [];
    for (const [path, lease] of this.#leases) {
      if (now >= lease.until) this.#leases.delete(path);
      else if (now >= lease.dueAt) {
        due.push({ key: lease.key, since: lease.since });
        lease.dueAt = now + this.#intervalMs;
        lease.since = version;
      }
    }
    return due;
  }
}
