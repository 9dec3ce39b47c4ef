import { MAX_CHUNK_TOKENS, headOf } from '@sluice/protocol';
import type { StoredRecord } from '@sluice/protocol';

/**
 * The chunks that a reader at `from` lacks before the oldest one it has: how many have to be read at least. A chunk
 * holds at most {@link MAX_CHUNK_TOKENS} tokens, and fewer where tokens are large.
 * @param from seq the reader has, in that chunk's epoch
 */
export const chunksMissing = (oldest: StoredRecord, from: number): number =>
  Math.min(oldest.chunk, Math.ceil(Math.max(0, oldest.record.base - from) / MAX_CHUNK_TOKENS));

/**
 * Those of the records found that tile the text up to `next`, oldest first: the chunks right before it, of its
 * epoch, each ending where the one after it starts. Whatever is missing, malformed or of another epoch ends the row.
 */
export const linkedBefore = (next: StoredRecord, found: readonly StoredRecord[]): StoredRecord[] => {
  const byChunk = new Map(found.map((stored) => [stored.chunk, stored]));
  const row: StoredRecord[] = [];
  for (let after = next; ;) {
    const before = byChunk.get(after.chunk - 1);
    if (before === undefined || !isLinked(before, after)) return row.toReversed();
    row.push(before);
    after = before;
  }
};

/** Not empty either, so that every step lowers the base. */
const isLinked = ({ record: previous }: StoredRecord, { record: next }: StoredRecord): boolean =>
  previous.epoch === next.epoch && previous.tokens.length > 0 && headOf(previous) === next.base;
