import { AUTHORED_ANSWERS } from './authored-answers.ts';
import { toPieces } from './pieces.ts';
import type { TextSource } from './text-source.ts';

const BETWEEN_ANSWERS = '\n\n';

/** Cuts the authored answers once; each run then picks where among them it begins. */
export class AuthoredLibrary {
  /** every answer is followed by a separator piece, which only texts longer than one answer reach */
  readonly #answers = AUTHORED_ANSWERS.map((answer) => [...toPieces(answer), BETWEEN_ANSWERS]);
  readonly #pieces = this.#answers.flat();

  /** @param hash any 32-bit number; it chooses the answer. Longer texts go on with the answers after it. */
  source(hash: number): TextSource {
    const chosen = hash % this.#answers.length;
    const start = this.#answers.slice(0, chosen).reduce((sum, answer) => sum + answer.length, 0);
    const naturalLength = (this.#answers[chosen]?.length ?? 1) - 1;
    const at = (index: number): string => this.#pieces[(start + index) % this.#pieces.length] ?? '';
    return { naturalLength, at };
  }
}
