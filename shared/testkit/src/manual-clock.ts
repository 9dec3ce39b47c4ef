type Entry = { readonly dueAt: number; readonly order: number; readonly fn: () => void };

/**
 * A clock that stands still until a test turns it. It has the shape of the runtime's `Clock`, so a unit under test
 * cannot tell the difference.
 */
export class ManualClock {
  readonly #timers = new Map<number, Entry>();
  #now: number;
  #order = 0;

  /** @param startMs the first `now()`, default a date in 2026, so that a mix-up with durations shows */
  constructor(startMs = 1_790_000_000_000) {
    this.#now = startMs;
  }

  /** Bound, so that they can be handed on as functions. */
  readonly now = (): number => this.#now;

  readonly setTimeout = (fn: () => void, ms: number): unknown => {
    const order = (this.#order += 1);
    this.#timers.set(order, { dueAt: this.#now + Math.max(0, ms), order, fn });
    return order;
  };

  readonly clearTimeout = (timer: unknown): void => {
    this.#timers.delete(timer as number);
  };

  /** timers that are set and have not fired: 0 after a unit has closed, or it leaks */
  get pending(): number {
    return this.#timers.size;
  }

  /** ms until the next timer fires; undefined when none is set */
  get nextInMs(): number | undefined {
    const next = this.#next();
    return next === undefined ? undefined : next.dueAt - this.#now;
  }

  /** Moves time, firing what falls due in order of time, then of setting. Timers may set timers. */
  advance(ms: number): void {
    const target = this.#now + ms;
    for (let next = this.#next(); next && next.dueAt <= target; next = this.#next()) this.#fire(next);
    this.#now = target;
  }

  /** Like {@link advance}, but lets promises settle before, between and after the timers. */
  async advanceAsync(ms: number): Promise<void> {
    const target = this.#now + ms;
    await settle();
    for (let next = this.#next(); next && next.dueAt <= target; next = this.#next()) {
      this.#fire(next);
      await settle();
    }
    this.#now = target;
  }

  #fire(entry: Entry): void {
    this.#now = Math.max(this.#now, entry.dueAt);
    this.#timers.delete(entry.order);
    entry.fn();
  }

  #next(): Entry | undefined {
    let first: Entry | undefined;
    for (const entry of this.#timers.values()) if (!first || entry.dueAt < first.dueAt) first = entry;
    return first;
  }
}

// A macrotask runs only when the queue of microtasks is empty, however long their chains are.
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
