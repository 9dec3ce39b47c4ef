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

const BLANK_LINE = /\n[ \t]*\n$/;

/**
 * Where the blocks that may still change begin. That is the last one, and with it
 * - those above it that no blank line ends: the line `lazy` under a paragraph leaves it when `|-` makes a table's head
 *   of it and comes back with `|---|---|`;
 * - a list above it: the paragraph `2` becomes its next item with `2. second`.
 */
const openFrom = (tokens: readonly Token[]): number => {
  let open = tokens.findLastIndex((token) => !isSpace(token));
  const mayTakeBack = (above: Token | undefined): boolean =>
    above !== undefined && !isSpace(above) && !BLANK_LINE.test(above.raw);
  const list = tokens.findLastIndex((token, index) => index < open && !isSpace(token));
  if (tokens[list]?.type === 'list') open = list;
  while (mayTakeBack(tokens[open - 1])) open -= 1;
  return open;
};

const plain = (token: Token): Block => ({ raw: token.raw, token, links: NO_LINKS });

/**
 * Cuts a growing text into blocks without reading it all again: once a blank line and another block follow it, nothing
 * can change a block any more, except a reference definition, which is why a finished text is read once as a whole.
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
    const open = Math.max(0, openFrom(tokens));
    for (const token of tokens.slice(0, open)) {
      this.#offset += token.raw.length;
      if (!isSpace(token)) this.#settled.push(plain(token));
    }
    this.#settledText = text.slice(0, this.#offset);
    const unsettled = tokens.slice(open).filter((token) => !isSpace(token));
    const last = unsettled.pop();
    return [...this.#settled, ...unsettled.map(plain), ...(last === undefined ? [] : [healed(last)])];
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
  if (token.type === 'code' || token.type === 'html') return plain(token);
  const text = healTail(token.raw);
  if (text === token.raw) return plain(token);
  const [again, ...more] = markdown.lexer(text);
  return again === undefined || more.length > 0 ? plain(token) : { raw: text, token: again, links: NO_LINKS };
};
