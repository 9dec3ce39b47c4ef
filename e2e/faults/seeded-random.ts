/** A stream of numbers that a seed repeats (mulberry32). */
export type Random = {
  /** 0 inclusive to 1 exclusive */
  next(): number;
  /** whole number, both ends inclusive */
  between(low: number, high: number): number;
  pick<T>(of: readonly T[]): T;
};

export const seededRandom = (seed: number): Random => {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  const between = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1));
  return {
    next,
    between,
    pick: (of) => {
      const picked = of[between(0, of.length - 1)];
      if (picked === undefined) throw new TypeError('pick: expected at least one element');
      return picked;
    },
  };
};

/** `SEED=n` of the environment, else one that nobody chose. */
export const chosenSeed = (): number => {
  const given = Number(process.env['SEED']);
  return Number.isSafeInteger(given) && process.env['SEED'] ? given : Math.floor(Math.random() * 1_000_000);
};
