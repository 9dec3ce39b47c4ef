import { count, duration } from './numbers.ts';

/** How figures of one kind are written, and how far apart an axis may mark them. */
export type Unit = {
  readonly format: (value: number | null | undefined) => string;
  /** distances between marks that an axis may choose from, ascending; default any */
  readonly steps?: readonly number[];
};

const TENS = Array.from({ length: 15 }, (_, power) => 10 ** power);

/** Whole things: a mark at half of one would be written as if it were at a whole one. */
export const COUNTS: Unit = { format: count, steps: TENS.flatMap((ten) => [ten, 2 * ten, 5 * ten]) };

export const DURATIONS: Unit = { format: duration };
