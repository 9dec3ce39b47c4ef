import type { Chain } from '@sluice/bus';
import { GenerationBuffer } from '@sluice/core';
import type { StoredGeneration } from '@sluice/core';
import type { End, Token, TokenRecord } from '@sluice/protocol';

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
  const pieces: Token[] = [];
  if (item.reasoning !== undefined) pieces.push({ kind: 'reasoning', text: item.reasoning });
  if (item.text !== undefined && item.text !== '') pieces.push(item.text);
  for (const [index, { id, name, arguments: text }] of (item.toolCalls ?? []).entries())
    pieces.push({ kind: 'tool_call', text, tool: { index, id, name } });
  const last = pieces.at(-1) ?? '';
  const filler: Token = typeof last === 'string' ? '' : { ...last, text: '', ...fillerTool(last) };
  while (pieces.length < item.seq) pieces.push(filler);
  const buffer = new GenerationBuffer(item.epoch, 0);
  const { epoch, attempt, createdAt: at } = item;
  buffer.apply({ v: 2, epoch, attempt, base: 0, at, tokens: pieces, end: endOf(item) });
  return buffer;
};

/** A piece of the same call carries only its index: an id would start another. */
const fillerTool = (last: Exclude<Token, string>): object =>
  last.tool === undefined ? {} : { tool: { index: last.tool.index } };
