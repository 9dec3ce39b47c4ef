import type { Moment } from './fleet.ts';

/** Ten minutes, a moment a second. */
const MAX_MOMENTS = 600;

/** A figure of each moment; null where there is none. */
export type Column = readonly (number | null)[];

/** The last minutes as columns, which is what charts want. */
export class History {
  #times: readonly number[] = [];
  #moments: readonly Moment[] = [];

  /** seconds since the Unix epoch */
  get times(): readonly number[] {
    return this.#times;
  }

  add(at: number, moment: Moment): void {
    this.#times = [...this.#times.slice(1 - MAX_MOMENTS), at / 1_000];
    this.#moments = [...this.#moments.slice(1 - MAX_MOMENTS), moment];
  }

  column(pick: (moment: Moment) => number | undefined): Column {
    return this.#moments.map((moment) => pick(moment) ?? null);
  }
}
