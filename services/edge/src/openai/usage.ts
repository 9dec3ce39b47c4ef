import type { Usage } from '@sluice/protocol';

/** Token counts as chat completions show them; what else the engine said of them stays. */
export const chatUsageOf = (usage: Usage | undefined): Usage | undefined => {
  if (usage === undefined) return undefined;
  const { prompt_tokens = 0, completion_tokens = 0 } = usage;
  return { total_tokens: prompt_tokens + completion_tokens, ...usage, prompt_tokens, completion_tokens };
};

type Details = Readonly<Record<string, unknown>> | undefined;

/** The same as responses show them. */
export const responseUsageOf = (usage: Usage | undefined): object | null => {
  const counted = chatUsageOf(usage);
  if (counted === undefined) return null;
  const { prompt_tokens: input_tokens, completion_tokens: output_tokens, total_tokens } = counted;
  return {
    input_tokens,
    input_tokens_details: { cached_tokens: 0, ...(counted['prompt_tokens_details'] as Details) },
    output_tokens,
    output_tokens_details: { reasoning_tokens: 0, ...(counted['completion_tokens_details'] as Details) },
    total_tokens,
    ...(counted.estimated === true ? { estimated: true } : {}),
  };
};
