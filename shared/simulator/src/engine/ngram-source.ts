import { CORPUS } from './corpus.ts';
import { toPieces } from './pieces.ts';
import { mix, unit } from './fixed-numbers.ts';
import type { TextSource } from './text-source.ts';

/** Pieces of context that decide the next one. */
const ORDER = 3;
/** Pieces per paragraph. A paragraph is drawn from its number alone, so entering at any index is O(1). */
const PARAGRAPH = 96;
/** Length of a run that asks for no particular number of tokens. */
const NATURAL_LENGTH = 4 * PARAGRAPH;

/** A Markov chain over the corpus: text without end whose sentences nearly make sense. */
export class NgramModel {
  readonly #sentences: readonly (readonly string[])[];
  readonly #next = new Map<string, string[]>();

  /** @param sentences at least one; each ends with its full stop */
  constructor(sentences: readonly string[] = CORPUS) {
    this.#sentences = sentences.map((sentence) => toPieces(` ${sentence}`));
    for (const pieces of this.#sentences) this.#learn(pieces);
  }

  source(seed: number): TextSource {
    let current: { readonly number: number; readonly pieces: readonly string[] } | undefined;
    const at = (index: number): string => {
      const number = Math.floor(index / PARAGRAPH);
      if (current?.number !== number)
        current = { number, pieces: this.#paragraph(mix(seed, number), number) };
      return current.pieces[index % PARAGRAPH] ?? '';
    };
    return { naturalLength: NATURAL_LENGTH, at };
  }

  /** Contexts never span two sentences, so each ends as some authored sentence did. */
  #learn(pieces: readonly string[]): void {
    for (let at = ORDER; at < pieces.length; at += 1) {
      const key = contextOf(pieces, at);
      const known = this.#next.get(key);
      const piece = pieces[at] ?? '';
      if (known === undefined) this.#next.set(key, [piece]);
      else known.push(piece);
    }
  }

  #paragraph(seed: number, number: number): readonly string[] {
    const pieces: string[] = number === 0 ? [] : ['\n\n'];
    const opening = pieces.length;
    let sentenceStart = opening;
    while (pieces.length < PARAGRAPH) {
      const draw = unit(seed, pieces.length);
      const choices =
        pieces.length - sentenceStart < ORDER ? undefined : this.#next.get(contextOf(pieces, pieces.length));
      if (choices !== undefined) {
        pieces.push(choices[Math.floor(draw * choices.length)] ?? '');
        continue;
      }
      sentenceStart = pieces.length;
      pieces.push(...this.#opening(draw));
    }
    // A paragraph starts without the space that its first word had inside a sentence.
    pieces[opening] = (pieces[opening] ?? '').trimStart();
    return closed(pieces);
  }

  #opening(draw: number): readonly string[] {
    return this.#sentences[Math.floor(draw * this.#sentences.length)]?.slice(0, ORDER) ?? [];
  }
}

const contextOf = (pieces: readonly string[], end: number): string =>
  pieces.slice(end - ORDER, end).join('\u0000');

/** Cuts to a paragraph's length and makes its last sentence end, wherever it was. */
const closed = (pieces: readonly string[]): readonly string[] => {
  const last = pieces[PARAGRAPH - 2] ?? '';
  const isCutWord = /^\p{L}/u.test(pieces[PARAGRAPH - 1] ?? '');
  const isWord = /\p{L}$/u.test(last) && !isCutWord;
  return [...pieces.slice(0, PARAGRAPH - 2), isWord ? last : ' again', '.'];
};
