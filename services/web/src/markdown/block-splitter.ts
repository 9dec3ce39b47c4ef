import type { Token } from 'marked';
import { healTail } from './heal-tail.ts';
import { markdown } from './block-html.ts';

/** One top-level Markdown block: a paragraph, a list, a code block. Equal `raw` and `links` render equally. */
export type Block = {
  readonly raw: string;
  readonly token: Token;
  /** the reference definitions it was read with, when the text has any */
  readonly links: string;
};

const NO_LINKS = '';

/** marked reads line ends so; doing it first keeps its offsets those of the text. */
const withPlainLineEnds = (text: string): string =>
  text.includes('\r') ? text.replace(/\r$/, '').replace(/\r\n?/g, '\n') : text;

const isSpace = ({ type }: Token): boolean => type === 'space';

/**
 * Cuts a growing text into blocks without reading it all again: once a block is followed by another one nothing
 * can change it any more, except a reference definition, which is why a finished text is read once as a whole.
 */
export class BlockSplitter {
  #settled: Block[] = [];
  /** characters of the text that the settled blocks cover */
  #offset = 0;
  #settledText = '';
  #finished: { readonly text: string; readonly blocks: readonly Block[] } | undefined;

  /** @param text the whole text so far; one that does not continue the last one starts over */
  update(source: string, isComplete: boolean): readonly Block[] {
    const text = withPlainLineEnds(source);
    if (isComplete) return this.#whole(text);
    if (!text.startsWith(this.#settledText)) this.#startOver();
    const tokens = markdown.lexer(text.slice(this.#offset));
    const open = tokens.findLastIndex((token) => !isSpace(token));
    for (const token of tokens.slice(0, Math.max(0, open))) {
      this.#offset += token.raw.length;
      if (!isSpace(token)) this.#settled.push({ raw: token.raw, token, links: NO_LINKS });
    }
    this.#settledText = text.slice(0, this.#offset);
    const last = tokens[open];
    return last === undefined ? this.#settled.slice() : [...this.#settled, healed(last)];
  }

  #whole(text: string): readonly Block[] {
    if (this.#finished?.text === text) return this.#finished.blocks;
    const tokens = markdown.lexer(text);
    const links = Object.keys(tokens.links).length === 0 ? NO_LINKS : JSON.stringify(tokens.links);
    const blocks = tokens
      .filter((token) => !isSpace(token))
      .map((token) => ({ raw: token.raw, token, links }));
    this.#finished = { text, blocks };
    return blocks;
  }

  #startOver(): void {
    this.#settled = [];
    this.#offset = 0;
    this.#settledText = '';
  }
}

/** The open block as it will look once its unfinished emphasis, code or link is closed. */
const healed = (token: Token): Block => {
  const plain = { raw: token.raw, token, links: NO_LINKS };
  if (token.type === 'code' || token.type === 'html') return plain;
  const text = healTail(token.raw);
  if (text === token.raw) return plain;
  const [again, ...more] = markdown.lexer(text);
  return again === undefined || more.length > 0 ? plain : { raw: text, token: again, links: NO_LINKS };
};
