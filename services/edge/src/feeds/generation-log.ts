import type { Chain } from '@sluice/bus';
import { GenerationBuffer } from '@sluice/core';
import type { StoredGeneration } from '@sluice/core';
import { MAX_TOKEN_BYTES } from '@sluice/protocol';
import type { End, Token, TokenRecord } from '@sluice/protocol';

/** What is told in place of a text that the store has lost. */
export const LOST_TEXT = 'the text of this generation cannot be read any more';

/** The end that a finished item tells. */
export const endOf = ({ reason = 'stop', usage, error, receipt }: StoredGeneration): End => ({
  reason,
  ...(usage === undefined ? {} : { usage }),
  ...(error === undefined ? {} : { error }),
  ...(receipt === undefined ? {} : { receipt }),
});

/** A buffer over the records of one chain. */
export const bufferOf = ({ records }: Chain): GenerationBuffer => {
  const first = records[0] as TokenRecord;
  const buffer = new GenerationBuffer(first.epoch, first.base);
  for (const record of records) buffer.apply(record);
  return buffer;
};

/**
 * The text of a finished item as a buffer, for when the tokens have expired. Its head is the item's
 * seq; where one token ended and the next began is no longer known, so no position but 0 and the head
 * means anything in it.
 */
export const bufferOfItem = (item: StoredGeneration): GenerationBuffer => {
  const pieces = piecesOf(item, MAX_PIECE_CHARS);
  // There is a token for each piece, unless a worker made larger ones than it may.
  const tokens = pieces.length <= item.seq ? pieces : piecesOf(item, Infinity);
  const last = tokens.at(-1) ?? '';
  const filler: Token = typeof last === 'string' ? '' : { ...last, text: '', ...fillerRef(last) };
  while (tokens.length < item.seq) tokens.push(filler);
  const buffer = new GenerationBuffer(item.epoch, 0);
  const { epoch, attempt, createdAt: at } = item;
  buffer.apply({ v: 2, epoch, attempt, base: 0, at, tokens, end: endOf(item) });
  return buffer;
};

/** A long text makes several frames; more than any token has, so that there are no more pieces than tokens. */
const MAX_PIECE_CHARS = 2 * MAX_TOKEN_BYTES;

const piecesOf = (item: StoredGeneration, maxChars: number): Token[] => {
  const { reasoning = '', text = '', refusal = '', toolCalls = [], parts = [] } = item;
  return [
    ...cut(reasoning, maxChars).map((piece) => ({ kind: 'reasoning', text: piece }) as const),
    ...cut(text, maxChars),
    ...cut(refusal, maxChars).map((piece) => ({ kind: 'refusal', text: piece }) as const),
    ...toolCalls.flatMap(({ id, name, arguments: all }, index): Token[] => {
      const [first = '', ...rest] = cut(all, maxChars);
      const more = rest.map((piece) => ({ kind: 'tool_call', text: piece, tool: { index } }) as const);
      return [{ kind: 'tool_call', text: first, tool: { index, id, name } }, ...more];
    }),
    ...parts.flatMap(({ data, ...named }, index): Token[] => {
      const [first = '', ...rest] = cut(JSON.stringify(data), maxChars);
      const more = rest.map((piece) => ({ kind: 'part', text: piece, part: { index } }) as const);
      return [{ kind: 'part', text: first, part: { index, ...named } }, ...more];
    }),
  ];
};

/** Surrogate pairs may be torn, as between tokens: whoever joins the pieces has the text. */
const cut = (text: string, maxChars: number): string[] => {
  const pieces: string[] = [];
  for (let from = 0; from < text.length; from += maxChars) pieces.push(text.slice(from, from + maxChars));
  return pieces;
};

/** A piece of the same call or part carries only its index: an id would start another. */
const fillerRef = ({ tool, part }: Exclude<Token, string>): object => ({
  ...(tool === undefined ? {} : { tool: { index: tool.index } }),
  ...(part === undefined ? {} : { part: { index: part.index } }),
});
