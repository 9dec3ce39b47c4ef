/** Endless text, addressed by piece. A pure function of its construction, so any index may be asked for. */
export interface TextSource {
  /** Pieces until the text comes to its natural end. */
  readonly naturalLength: number;
  /** The piece at `index`, from 0. Reading in order is O(1) amortised. */
  at(index: number): string;
}
