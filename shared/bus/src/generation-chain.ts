import { chunksMissing } from '@sluice/core';
import type { GenerationKey, StoredRecord, Token, TokenRecord } from '@sluice/protocol';
import type { TokenLog } from './token-log.ts';

/** Records oldest first, and whether they reach back to the token after the one asked for. */
export type Chain = { readonly records: readonly TokenRecord[]; readonly complete: boolean };

/** Most chunks that one request asks for: an answer of 2 MiB where each is full. */
const MAX_CHUNKS = 256;

/**
 * Reads the records that a reader at `from` misses up to `newest`: in one request where the text has fewer than
 * 8,192 tokens. @throws BusUnavailableError
 */
export const readChain = async (
  tokens: TokenLog,
  key: GenerationKey,
  newest: StoredRecord,
  from: number,
): Promise<Chain> => {
  const chunks = [newest];
  for (let oldest = newest; oldest.record.base > from; oldest = chunks[0] ?? oldest) {
    const count = Math.min(MAX_CHUNKS, chunksMissing(oldest, from));
    const found = count === 0 ? [] : await tokens.before(key, oldest, count);
    if (found.length === 0) return { records: recordsOf(chunks), complete: false };
    chunks.unshift(...found);
  }
  return { records: recordsOf(chunks), complete: true };
};

const recordsOf = (chunks: readonly StoredRecord[]): TokenRecord[] => chunks.map(({ record }) => record);

export const tokensOf = ({ records }: Chain): Token[] => records.flatMap(({ tokens }) => tokens);
