import type { SimulatorClock } from '../src/engine/simulator-clock.ts';

type Timer = { readonly atMs: number; readonly callback: () => void };

/** Time that only moves when told to. */
export class ManualClock implements SimulatorClock {
  readonly #timers = new Set<Timer>();
  #nowMs = 1_000;
  /** how many timers were ever set */
  timersSet = 0;

  get pending(): number {
    return this.#timers.size;
  }

  now(): number {
    return this.#nowMs;
  }

  setTimer(callback: () => void, ms: number): () => void {
    const timer = { atMs: this.#nowMs + ms, callback };
    this.timersSet += 1;
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Moves on by `ms`, firing what is due at its own time and letting what awaits it run. */
  async advance(ms: number): Promise<void> {
    const end = this.#nowMs + ms;
    await settle();
    for (;;) {
      const next = [...this.#timers].reduce<Timer | undefined>(
        (first, timer) => (first === undefined || timer.atMs < first.atMs ? timer : first),
        undefined,
      );
      if (next === undefined || next.atMs > end) break;
      this.#timers.delete(next);
      this.#nowMs = next.atMs;
      next.callback();
      await settle();
    }
    this.#nowMs = end;
  }
}

/** All promise reactions that are possible now have run when a macrotask begins. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
