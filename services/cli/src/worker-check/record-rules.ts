import { isDeepStrictEqual } from 'node:util';
import { transcriptOf } from '@sluice/core';
import type { StoredGeneration } from '@sluice/core';
import { headOf, MAX_CHUNK_TOKENS, MAX_RECORD_BYTES, MAX_TOKEN_BYTES, textOf } from '@sluice/protocol';
import type { TokenRecord } from '@sluice/protocol';

/** 2001 in ms; what is smaller was counted in seconds. */
const EARLIEST_AT = 1e12;

/** What is wrong with a record by itself; undefined: nothing. */
export const flawOf = (record: TokenRecord, attempt: number): string | undefined => {
  const { tokens, at } = record;
  if (record.attempt !== attempt) return `attempt ${record.attempt}, where the item says ${attempt}`;
  if (at < EARLIEST_AT) return `at ${at}, which is no time in ms`;
  if (tokens.length > MAX_CHUNK_TOKENS) return `${tokens.length} tokens in one chunk`;
  if (tokens.some((token) => Buffer.byteLength(textOf(token)) > MAX_TOKEN_BYTES))
    return `a token of more than ${MAX_TOKEN_BYTES} bytes`;
  if (Buffer.byteLength(JSON.stringify(record)) > MAX_RECORD_BYTES)
    return `a record of more than ${MAX_RECORD_BYTES} bytes`;
  return undefined;
};

/** How a record fails to go on from the one before it; undefined: it does go on. */
export const breakBetween = (before: TokenRecord | undefined, next: TokenRecord): string | undefined => {
  if (before?.end !== undefined) return 'a record after the end';
  if (before === undefined || next.epoch > before.epoch)
    return next.base === 0 ? undefined : `an epoch that begins with base ${next.base}`;
  if (next.attempt < before.attempt) return `attempt ${next.attempt} after ${before.attempt}`;
  if (next.epoch < before.epoch) return `epoch ${next.epoch} after ${before.epoch}`;
  if (next.base === before.base) return breakInChunk(before, next);
  if (next.base !== headOf(before)) return `base ${next.base} where ${headOf(before)} tokens are stored`;
  if (before.tokens.length === 0) return 'a new chunk after an empty one';
  return undefined;
};

const breakInChunk = (before: TokenRecord, next: TokenRecord): string | undefined => {
  const repeated = next.tokens.slice(0, before.tokens.length);
  return isDeepStrictEqual(repeated, before.tokens) ? undefined : 'a record that does not repeat its chunk';
};

/** The first break in a row of records, with the seq where it is; undefined: they are one log. */
export const firstBreak = (records: readonly TokenRecord[]): string | undefined => {
  for (const [index, record] of records.entries()) {
    const found = breakBetween(records[index - 1], record);
    if (found !== undefined) return `${found} (record ${index + 1} of ${records.length})`;
  }
  return undefined;
};

/** The last record of each chunk of the newest epoch, oldest first: what a replay reads. */
export const chunksOf = (records: readonly TokenRecord[]): readonly TokenRecord[] => {
  const epoch = records.at(-1)?.epoch;
  return records.filter((record, index) => {
    const next = records[index + 1];
    return record.epoch === epoch && (next === undefined || next.base !== record.base);
  });
};

/** What the newest epoch of a log says its item should hold. */
export const contentOf = (records: readonly TokenRecord[]): Partial<StoredGeneration> => {
  const newest = records.at(-1);
  if (newest === undefined) return {};
  const tokens = chunksOf(records).flatMap((chunk) => chunk.tokens);
  return { ...transcriptOf(tokens), ...newest.end, epoch: newest.epoch, seq: headOf(newest) };
};
