import type { StoredGeneration } from '@sluice/core';
import type { TokenRecord } from '@sluice/protocol';
import { ClauseFailure, demand } from './clause-failure.ts';
import { contentOf, firstBreak } from './record-rules.ts';

/** What several attempts left behind. */
type Continued = { readonly records: readonly TokenRecord[]; readonly item: StoredGeneration };

/**
 * A log of several attempts must be one log whose text, in the same epoch, begins with what was stored. The item must
 * say the same: a worker that forgot the stored text may soon have said it again.
 * @returns how it went on
 * @throws ClauseFailure
 */
export const demandContinued = ({ records, item }: Continued, stored: string): string => {
  const broken = firstBreak(records);
  if (broken !== undefined) throw new ClauseFailure('records that are one log', broken);
  demand(item.reason !== 'error', 'an answer', `an error: ${item.error?.message ?? ''}`);
  const { text, epoch, seq } = contentOf(records);
  const agrees = item.text === text && item.epoch === epoch && item.seq === seq;
  demand(agrees, `the item to hold the ${seq} tokens of its log`, `another text of ${item.seq} tokens`);
  if (item.epoch > 0) return 'it began anew in the next epoch';
  const goesOn = item.text?.startsWith(stored) === true;
  demand(goesOn, 'a text that goes on from what was stored', `another one of ${item.seq} tokens`);
  return `it went on from the same token, to ${item.seq}`;
};
