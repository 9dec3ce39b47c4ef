import type { Engine } from '@sluice/core';
import type { Claimed } from '@sluice/lifecycle';

/**
 * Whether this attempt continues the text that is stored, rather than starting a new epoch. Where there is no log but an
 * earlier attempt may have written one, its text has expired: viewers may have it, and nothing can join it.
 */
export const canGoOn = (
  { item, head, prefix, isObscured }: Claimed,
  engine: Pick<Engine, 'canContinue'>,
): boolean => {
  if (head?.record.end !== undefined) return true;
  if (isObscured) return false;
  if (head === undefined) return item.attempt === 1;
  return prefix !== undefined && (prefix.length === 0 || engine.canContinue(prefix));
};

/**
 * The epoch of a text that starts over. Each attempt begins one at most, so the earlier ones, hidden or not, have used
 * none above `attempt - 2`.
 */
export const nextEpoch = ({ head, item, isObscured }: Claimed): number =>
  Math.max((head?.record.epoch ?? 0) + 1, isObscured || head === undefined ? item.attempt - 1 : 0);
