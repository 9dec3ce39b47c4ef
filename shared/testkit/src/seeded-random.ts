/** Random values that a seed repeats (mulberry32). */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** [0, 1) */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** 0..below-1 */
  below(below: number): number {
    return Math.floor(this.next() * below);
  }

  /** a whole number, both ends inclusive */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<Value>(values: readonly Value[]): Value {
    if (values.length === 0) throw new TypeError('pick: expected at least one element');
    return values[this.below(values.length)] as Value;
  }
}

/** `SEED=n` of the environment, else one that nobody chose. */
export const chosenSeed = (): number => {
  const given = Number(process.env['SEED']);
  return Number.isSafeInteger(given) && process.env['SEED'] ? given : Math.floor(Math.random() * 1_000_000);
};
