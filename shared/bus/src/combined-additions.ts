import type { CounterName, Counters } from './counters.ts';
import { counterSubject } from './subjects.ts';

type Add = Counters['add'];
type Waiting = {
  readonly delta: number;
  readonly resolve: (value: number) => void;
  readonly reject: (error: unknown) => void;
};

/**
 * Adds to counters, with one addition in flight for each counter. Those that come meanwhile are sent together as one, and each
 * gets the value that it would have got in its turn: nothing comes between them. When one fails, those with it fail.
 */
export class CombinedAdditions {
  readonly #add: Add;
  /** what waits for the addition in flight, by counter */
  readonly #waiting = new Map<string, Waiting[]>();

  constructor(add: Add) {
    this.#add = add;
  }

  /** @param once see {@link Counters}: such an addition goes alone */
  add(name: CounterName, delta: number, once?: string): Promise<number> {
    if (once !== undefined) return this.#add(name, delta, once);
    const counter = counterSubject(name);
    const waiting = this.#waiting.get(counter);
    if (waiting !== undefined)
      return new Promise((resolve, reject) => waiting.push({ delta, resolve, reject }));
    return this.#send(counter, name, delta);
  }

  async #send(counter: string, name: CounterName, delta: number): Promise<number> {
    this.#waiting.set(counter, []);
    try {
      return await this.#add(name, delta);
    } finally {
      this.#sendWaiting(counter, name);
    }
  }

  #sendWaiting(counter: string, name: CounterName): void {
    const waiting = this.#waiting.get(counter) ?? [];
    if (waiting.length === 0) return void this.#waiting.delete(counter);
    const sum = waiting.reduce((total, { delta }) => total + delta, 0);
    this.#send(counter, name, sum).then(
      (value) => {
        let before = value - sum;
        for (const { delta, resolve } of waiting) resolve((before += delta));
      },
      (error: unknown) => {
        for (const { reject } of waiting) reject(error);
      },
    );
  }
}
