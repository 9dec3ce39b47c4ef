import { ANSWERS_BY_WORDS, AUTHORED_ANSWERS } from './authored-answers.ts';
import { toPieces } from './pieces.ts';
import type { TextSource } from './text-source.ts';

const BETWEEN_ANSWERS = '\n\n';

/** Most of a question that is repeated, characters. */
const MAX_REPEATED = 200;

/** Cuts the authored answers once; each run then picks where among them it begins. */
export class AuthoredLibrary {
  /** every answer is followed by a separator piece, which only texts longer than one answer reach */
  readonly #answers = AUTHORED_ANSWERS.map((answer) => [...toPieces(answer), BETWEEN_ANSWERS]);
  readonly #pieces = this.#answers.flat();

  /**
   * The answer to a question that has one. Any other question is repeated, and a sample text follows.
   * @param hash any 32-bit number; it chooses the sample. Longer texts go on with the answers after it.
   */
  source(question: string, hash: number): TextSource {
    const found = ANSWERS_BY_WORDS.find(({ words }) => words.test(question));
    if (found !== undefined) {
      const lead = [...toPieces(found.answer), BETWEEN_ANSWERS];
      return this.#after(lead, { start: 0, naturalLength: lead.length - 1 });
    }
    const lead = toPieces(introduction(question));
    const chosen = hash % this.#answers.length;
    const start = this.#answers.slice(0, chosen).reduce((sum, answer) => sum + answer.length, 0);
    const sampleLength = (this.#answers[chosen]?.length ?? 1) - 1;
    return this.#after(lead, { start, naturalLength: lead.length + sampleLength });
  }

  #after(lead: readonly string[], { start, naturalLength }: Sample): TextSource {
    const at = (index: number): string =>
      lead[index] ?? this.#pieces[(start + index - lead.length) % this.#pieces.length] ?? '';
    return { naturalLength, at };
  }
}

/** `start`: its first piece among those of all answers. */
type Sample = { readonly start: number; readonly naturalLength: number };

const introduction = (question: string): string => {
  const line = question.replace(/\s+/g, ' ').trim();
  const characters = Array.from(line.slice(0, 2 * MAX_REPEATED));
  const repeated = characters.slice(0, MAX_REPEATED).join('');
  const ellipsis = repeated.length < line.length ? '…' : '';
  const asked = line === '' ? 'No question was asked.' : `You asked:\n\n> ${repeated}${ellipsis}`;
  return `This answer is *simulated*: no model has read your question. ${asked}\n\nA sample text follows.\n\n`;
};
