import type { Clock } from '../../src/clock.ts';

type Timer = { readonly at: number; readonly order: number; readonly task: () => void };

/** Time that moves only when told. `random` is a constant, 0.5 unless set. */
export class ManualClock implements Clock {
  chance = 0.5;
  #now = 0;
  #order = 0;
  readonly #timers = new Set<Timer>();

  now(): number {
    return this.#now;
  }

  random(): number {
    return this.chance;
  }

  after(ms: number, task: () => void): () => void {
    this.#order += 1;
    const timer: Timer = { at: this.#now + ms, order: this.#order, task };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  get pending(): number {
    return this.#timers.size;
  }

  /** Runs what is due on the way, in order of time. */
  advance(ms: number): void {
    const until = this.#now + ms;
    for (let timer = this.#first(until); timer !== undefined; timer = this.#first(until)) {
      this.#timers.delete(timer);
      this.#now = Math.max(this.#now, timer.at);
      timer.task();
    }
    this.#now = until;
  }

  #first(until: number): Timer | undefined {
    const due = [...this.#timers].filter(({ at }) => at <= until);
    return due.sort((left, right) => left.at - right.at || left.order - right.order)[0];
  }
}
