import type { EndReason } from './records.ts';

/**
 * What one generation cost, over all of its attempts: one line of the ledger. It says who asked, and nothing of what was
 * said.
 */
export type UsageRecord = {
  readonly v: 1;
  readonly user: string;
  readonly model: string;
  readonly reason: EndReason;
  readonly attempts: number;
  /** ms since the Unix epoch */
  readonly endedAt: number;
  /** of these, `cachedTokens` were in the engine's KV cache */
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
  /** how long it had a slot of an engine, ms */
  readonly gpuMs: number;
  /** tokens that were not made because it was stopped, as far as anybody can tell */
  readonly savedTokens: number;
  /** the engine did not count all of the tokens itself */
  readonly estimated?: boolean;
};
