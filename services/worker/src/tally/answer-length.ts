/** Of the newest answer in the mean. */
const WEIGHT = 0.2;

/**
 * How many tokens a run would come to if nobody stopped it: what the engine knows beforehand, else the mean of the
 * answers of its model that ended by themselves; at most what the prompt allows. An estimate, for people.
 */
export class AnswerLength {
  readonly #means = new Map<string, number>();

  ended(model: string, tokens: number): void {
    const mean = this.#means.get(model);
    this.#means.set(model, mean === undefined ? tokens : mean + WEIGHT * (tokens - mean));
  }

  /** @returns undefined when nothing tells */
  expected(model: string, known: { readonly engine?: number; readonly limit?: number }): number | undefined {
    const length = known.engine ?? this.#means.get(model);
    if (length === undefined) return known.limit;
    return Math.round(Math.min(length, known.limit ?? Infinity));
  }
}
