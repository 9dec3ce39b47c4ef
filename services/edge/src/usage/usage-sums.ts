import type { UsageLedger } from '@sluice/bus';
import { SluiceError } from '@sluice/protocol';
import type { Org } from '@sluice/protocol';
import { figuresOf, plus } from './usage-figures.ts';
import type { UsageFigures } from './usage-figures.ts';

/** What one user had of one model on one day. */
export type UsageSum = {
  readonly day: number;
  readonly user: string;
  readonly model: string;
  readonly figures: UsageFigures;
};

/** Records that one request reads; what is beyond is read by the next one, which goes on from there. */
const MAX_READ = 50_000;
/** Sums in memory, over all orgs and days. */
const MAX_SUMS = 200_000;
const DAYS_AT_ONCE = 4;
const RETRY_MS = 1_000;

type DaySums = {
  readonly sums: Map<string, UsageSum>;
  /** sequence of the newest record that they hold */
  last: number;
  reading: Promise<void> | undefined;
};

/** How many records a request may still read. */
type Budget = { left: number };

/**
 * Sums of the ledger by day, user and model. What was added up once is kept, and only records that came later are read:
 * nobody changes or takes away one.
 */
export class UsageSums {
  readonly #ledger: UsageLedger;
  /** the one that was not asked for longest first */
  readonly #days = new Map<string, DaySums>();
  #held = 0;

  constructor(ledger: UsageLedger) {
    this.#ledger = ledger;
  }

  /**
   * @param from first day
   * @param to last day
   * @throws SluiceError unavailable, when it takes more than one request; BusUnavailableError, BusRefusedError
   */
  async of(org: Org, from: number, to: number): Promise<readonly UsageSum[]> {
    const days = Array.from({ length: to - from + 1 }, (_, n) => from + n);
    const budget = { left: MAX_READ };
    const found: UsageSum[][] = [];
    const next = days.entries();
    const lane = async (): Promise<void> => {
      for (const [index, day] of next) found[index] = [...(await this.#sumsOf(org, day, budget)).values()];
    };
    try {
      await Promise.all(Array.from({ length: DAYS_AT_ONCE }, lane));
    } finally {
      this.#trim();
    }
    return found.flat();
  }

  async #sumsOf(org: Org, day: number, budget: Budget): Promise<ReadonlyMap<string, UsageSum>> {
    const name = `${org}.${day}`;
    const kept = this.#days.get(name) ?? { sums: new Map(), last: 0, reading: undefined };
    this.#days.delete(name);
    this.#days.set(name, kept);
    // Whoever reads adds to the same sums, one after the other.
    while (kept.reading !== undefined) await kept.reading.catch(() => undefined);
    kept.reading = this.#readOn(org, day, { kept, budget });
    try {
      await kept.reading;
    } finally {
      kept.reading = undefined;
    }
    return kept.sums;
  }

  async #readOn(
    org: Org,
    day: number,
    { kept, budget }: { readonly kept: DaySums; readonly budget: Budget },
  ): Promise<void> {
    for (let more = true; more;) {
      if (budget.left <= 0)
        throw new SluiceError('unavailable', 'the usage of these days is still being added up: ask again', {
          retryAfterMs: RETRY_MS,
        });
      const page = await this.#ledger.read(org, day, kept.last);
      for (const record of page.records) {
        const { user, model } = record;
        const name = JSON.stringify([user, model]);
        const before = kept.sums.get(name);
        if (before === undefined) this.#held += 1;
        const figures = before === undefined ? figuresOf(record) : plus(before.figures, figuresOf(record));
        kept.sums.set(name, { day, user, model, figures });
      }
      kept.last = page.last;
      budget.left -= page.records.length;
      ({ more } = page);
    }
  }

  #trim(): void {
    for (const [name, { sums, reading }] of this.#days) {
      if (this.#held <= MAX_SUMS && this.#days.size <= MAX_SUMS) return;
      if (reading !== undefined) continue;
      this.#held -= sums.size;
      this.#days.delete(name);
    }
  }
}
