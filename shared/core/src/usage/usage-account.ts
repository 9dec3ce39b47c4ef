import type { UsageRecord } from '@sluice/protocol';
import type { StoredGeneration } from '../item-state.ts';
import { cachedTokensOf } from './usage.ts';

/** An attempt has its slot from now on. Goes on after a park: then the stop has saved nothing. */
export const slotTaken = (item: StoredGeneration, now: number): StoredGeneration => {
  const { savedTokens: _savedTokens, ...rest } = item;
  return { ...rest, claimedAt: now };
};

/**
 * The attempt has let its slot go, or died; an item that nobody ran stays as it is.
 * @param at when it was last known to have it; undefined: only that it had it for a moment
 */
export const slotLeft = (item: StoredGeneration, at: number | undefined): StoredGeneration => {
  const { claimedAt, ...rest } = item;
  if (claimedAt === undefined) return item;
  return { ...rest, gpuMs: (item.gpuMs ?? 0) + Math.max(0, (at ?? claimedAt) - claimedAt) };
};

/** One line of the ledger for a generation that is done: the same one, whoever makes it and when. */
export const usageRecordOf = (item: StoredGeneration): UsageRecord => {
  const { user, model, reason = 'error', attempt, usage } = item;
  return {
    ...{ v: 1, user, model, reason, attempts: attempt },
    // Its worker may be somebody else's, which does not say when.
    endedAt: item.endedAt ?? item.createdAt,
    promptTokens: whole(usage?.prompt_tokens),
    cachedTokens: Math.min(whole(cachedTokensOf(usage)), whole(usage?.prompt_tokens)),
    completionTokens: whole(usage?.completion_tokens ?? item.seq),
    gpuMs: whole(item.gpuMs),
    savedTokens: whole(item.savedTokens),
    ...(usage === undefined || usage.estimated === true ? { estimated: true } : {}),
  };
};

/** Engines say what they like. */
const whole = (value: number | undefined): number =>
  value !== undefined && value >= 0 && value <= Number.MAX_SAFE_INTEGER ? Math.round(value) : 0;
