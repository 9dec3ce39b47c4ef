import type { Usage } from '@sluice/protocol';
import type { WorkerMetrics } from './metrics.ts';

/** Counts what the engine had in its KV cache of a prompt, and what not; nothing where it does not say. */
export const countPrompt = (usage: Usage | undefined, counter: WorkerMetrics['promptTokens']): void => {
  const total = usage?.prompt_tokens;
  const cached = (usage?.['prompt_tokens_details'] as { cached_tokens?: unknown } | null | undefined)
    ?.cached_tokens;
  if (typeof total !== 'number' || typeof cached !== 'number' || !(cached >= 0 && cached <= total)) return;
  counter.inc({ cache: 'hit' }, cached);
  counter.inc({ cache: 'miss' }, total - cached);
};
