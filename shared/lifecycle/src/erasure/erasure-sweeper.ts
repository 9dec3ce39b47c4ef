import type { ErasureMark } from '@sluice/bus';
import type { SessionKey } from '@sluice/protocol';
import { completeErasure } from './erase.ts';
import type { EraseContext } from './erase.ts';
import { expireSessions } from './retention.ts';
import type { Retention } from './retention.ts';

/** Between two lists of what is marked, ms. */
const SWEEP_MS = 5_000;
/** Whoever deletes erases at once: somebody else looks after this long, ms. */
const FIRST_LOOK_MS = 5_000;
/** What was begun before a deletion is stored by then, or never: the last look is after this long, ms. */
const LAST_LOOK_MS = 60_000;

/** Between two looks for sessions that nobody has used for too long, ms. */
const RETENTION_MS = 60 * 60_000;

export type ErasureSweeperDeps = EraseContext & {
  readonly onError: (error: unknown) => void;
  /** orgs that keep their sessions for a time of their own; default none */
  readonly retentions?: () => readonly Retention[];
};

type Sight = { readonly entry: number; readonly since: number; isLookedAt: boolean };

/**
 * Goes through the sessions that are marked, and completes their erasures. Any number of edges may do so at once: nothing
 * is erased twice.
 */
export class ErasureSweeper {
  readonly #deps: ErasureSweeperDeps;
  #sights = new Map<string, Sight>();
  #nextAt = -Infinity;
  #retainAt = -Infinity;
  #sweeping: Promise<void> | undefined;
  #isClosed = false;

  constructor(deps: ErasureSweeperDeps) {
    this.#deps = deps;
  }

  /** To be called a few times a second. */
  tick(now: number): void {
    if (now >= this.#nextAt) void this.sweep();
  }

  /** Resolves when one sweep is over; never rejects. */
  sweep(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    return (this.#sweeping ??= this.#sweep().finally(() => (this.#sweeping = undefined)));
  }

  /** What was begun ends with its next answer, quietly. */
  close(): void {
    this.#isClosed = true;
  }

  async #sweep(): Promise<void> {
    const { bus, clock } = this.#deps;
    this.#nextAt = clock.now() + SWEEP_MS;
    try {
      const marks = await bus.cards.marks();
      const known = this.#sights;
      this.#sights = new Map(marks.map((mark) => [pathOf(mark.key), this.#sightOf(mark, known)]));
      for (const mark of marks) if (!this.#isClosed) await this.#look(mark);
      if (clock.now() >= this.#retainAt) await this.#expire();
    } catch (error) {
      this.#tell(error);
    }
  }

  async #expire(): Promise<void> {
    const { clock, retentions } = this.#deps;
    for (const retention of retentions?.() ?? []) await expireSessions(this.#deps, retention);
    this.#retainAt = clock.now() + RETENTION_MS;
  }

  #sightOf({ key, entry }: ErasureMark, known: ReadonlyMap<string, Sight>): Sight {
    const sight = known.get(pathOf(key));
    return sight?.entry === entry ? sight : { entry, since: this.#deps.clock.now(), isLookedAt: false };
  }

  async #look(mark: ErasureMark): Promise<void> {
    const { bus, clock } = this.#deps;
    const sight = this.#sights.get(pathOf(mark.key));
    const listedMs = clock.now() - (sight?.since ?? 0);
    const isLast = listedMs >= LAST_LOOK_MS;
    if (sight === undefined || !(isLast || (listedMs >= FIRST_LOOK_MS && !sight.isLookedAt))) return;
    try {
      await completeErasure(this.#deps, mark.key);
      sight.isLookedAt = true;
      if (isLast) await bus.cards.unmark(mark);
    } catch (error) {
      // The next sweep looks again.
      this.#tell(error);
    }
  }

  #tell(error: unknown): void {
    if (!this.#isClosed) this.#deps.onError(error);
  }
}

const pathOf = ({ org, session }: SessionKey): string => `${org}.${session}`;
