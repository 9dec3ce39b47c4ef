/** Waiting with a deadline. Tests never sleep for luck: they wait for a fact, and fail with its name. */

export class WaitTimeoutError extends Error {
  readonly code = 'wait_timeout';

  constructor(what: string, timeoutMs: number, cause?: unknown) {
    super(
      `expected ${what} within ${timeoutMs} ms, it did not come`,
      cause === undefined ? undefined : { cause },
    );
  }
}

export type Deferred<T> = {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (reason: unknown) => void;
};

/** A promise that is settled from outside. */
export const deferred = <T>(): Deferred<T> => {
  let resolve!: (value: T) => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<T>((onValue, onError) => {
    resolve = onValue;
    reject = onError;
  });
  return { promise, resolve, reject };
};

/**
 * The promise's value, or {@link WaitTimeoutError} naming `what` after `timeoutMs`. The timer never outlives
 * the promise.
 */
export const withTimeout = async <T>(promise: Promise<T>, timeoutMs: number, what: string): Promise<T> => {
  const late = deferred<never>();
  const timer = setTimeout(() => late.reject(new WaitTimeoutError(what, timeoutMs)), timeoutMs);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
};

export type WaitOptions = {
  /** default 5000 */
  readonly timeoutMs?: number;
  /** what is waited for, as the end of "expected …" */
  readonly what: string;
  /** pause between looks, default 5 */
  readonly pollMs?: number;
};

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

type Falsy = false | 0 | '' | null | undefined;

/**
 * Polls until the predicate's value is truthy and returns that value. A predicate that throws counts as
 * "not yet"; the last error becomes the timeout's `cause`.
 * @throws WaitTimeoutError
 */
export const waitFor = async <T>(
  predicate: () => T | Falsy | Promise<T | Falsy>,
  options: WaitOptions,
): Promise<T> => {
  const { timeoutMs = 5_000, pollMs = 5, what } = options;
  const deadline = performance.now() + timeoutMs;
  const state: { failure?: unknown } = {};
  const look = async (): Promise<T> => {
    while (performance.now() < deadline) {
      try {
        const value = await predicate();
        if (value) return value;
        delete state.failure;
      } catch (error) {
        state.failure = error;
      }
      await pause(pollMs);
    }
    throw new WaitTimeoutError(what, timeoutMs, state.failure);
  };
  // The race is for a predicate that itself never settles; it then polls on only until the deadline.
  return withTimeout(look(), timeoutMs + pollMs * 4, what);
};

type Waiter<T> = { readonly resolve: (value: T) => void; readonly reject: (reason: unknown) => void };

/**
 * An unbounded queue between a callback and a test. It cannot miss: what is pushed while nobody waits is kept
 * until it is taken.
 */
export class Queue<T> {
  readonly #items: T[] = [];
  readonly #waiters: Waiter<T>[] = [];
  readonly #what: string;
  #ended: Error | undefined;

  /** @param what the noun of one element, for timeout messages */
  constructor(what = 'an element') {
    this.#what = what;
  }

  /** elements pushed and not yet taken */
  get size(): number {
    return this.#items.length;
  }

  push(item: T): void {
    const waiter = this.#waiters.shift();
    if (waiter) waiter.resolve(item);
    else this.#items.push(item);
  }

  /** Everything that will come has come: waiters fail with `reason`, what is queued can still be taken. */
  end(reason: Error): void {
    this.#ended ??= reason;
    for (const waiter of this.#waiters.splice(0)) waiter.reject(this.#ended);
  }

  /** The oldest element; waits for one up to `timeoutMs` (default 5000). */
  async next(timeoutMs = 5_000): Promise<T> {
    if (this.#items.length > 0) return this.#items.shift() as T;
    if (this.#ended) throw this.#ended;
    const { promise, resolve, reject } = deferred<T>();
    const waiter: Waiter<T> = { resolve, reject };
    this.#waiters.push(waiter);
    try {
      return await withTimeout(promise, timeoutMs, this.#what);
    } finally {
      // A waiter that timed out must not swallow the element of the next one.
      const at = this.#waiters.indexOf(waiter);
      if (at >= 0) this.#waiters.splice(at, 1);
    }
  }

  /** Takes elements up to and including the first that matches; `timeoutMs` (default 5000) bounds the whole. */
  async takeUntil(matches: (item: T) => boolean, timeoutMs = 5_000): Promise<T[]> {
    const deadline = performance.now() + timeoutMs;
    const taken: T[] = [];
    for (;;) {
      const item = await this.next(Math.max(0, deadline - performance.now()));
      taken.push(item);
      if (matches(item)) return taken;
    }
  }

  /** Takes everything that is queued now, without waiting. */
  drain(): T[] {
    return this.#items.splice(0);
  }
}
