import { ChunkWalk } from '@sluice/core';
import type { Walk } from '@sluice/core';
import type { GenerationKey, Token, TokenRecord } from '@sluice/protocol';
import type { TokenLog } from './token-log.ts';

/** Records oldest first, and whether they reach back to the token after the one asked for. */
export type Chain = { readonly records: readonly TokenRecord[]; readonly complete: boolean };

/** Reads the records that a reader at `from` misses up to `newest`. @throws BusUnavailableError */
export const readChain = async (
  tokens: TokenLog,
  key: GenerationKey,
  newest: TokenRecord,
  from: number,
): Promise<Chain> => {
  const walk = new ChunkWalk(newest, from);
  let step: Walk = walk.next();
  while (step.type === 'fetch') step = walk.step(await tokens.at(key, step.sequence));
  return { records: step.records, complete: step.type === 'complete' };
};

export const tokensOf = ({ records }: Chain): Token[] => records.flatMap(({ tokens }) => tokens);
