import { EngineError, OUTPUT_BOUNDS, refusedByRules } from '@sluice/core';
import type { EngineRequest, EngineRules } from '@sluice/core';
import type { ContinuedText } from './continued-text.ts';
import { continuationOf, outputBoundOf, paramsOf } from './profile.ts';
import type { Profile } from './profile.ts';

export type RequestBody = { readonly [field: string]: unknown };

export type Upstream = { readonly profile: Profile; readonly model: string; readonly rules: EngineRules };

/**
 * The body of `POST /chat/completions`. What makes it a stream of this conversation is set last and cannot be
 * overridden. Undefined when the continued text has used up `max_tokens` already: nothing is left to ask for.
 * @throws EngineError upstream_rejected for what the rules do not allow: an edge may have had others, or none
 */
export const requestBody = (
  request: EngineRequest,
  continued: ContinuedText,
  { profile, model, rules }: Upstream,
): RequestBody | undefined => {
  const refused = refusedByRules(request, rules, paramsOf(profile));
  if (refused !== undefined) throw new EngineError('upstream_rejected', refused);
  const params = boundedParams(request, profile, rules);
  for (const name of OUTPUT_BOUNDS) {
    const bound = params[name];
    if (typeof bound !== 'number') continue;
    if (request.prefix.length >= bound) return undefined;
    params[name] = bound - continued.tokens;
  }
  const isContinuation = continued.text !== '';
  const trailing = isContinuation ? [{ role: 'assistant', content: continued.text }] : [];
  const flags =
    isContinuation && continuationOf(profile) === 'flag'
      ? { continue_final_message: true, add_generation_prompt: false }
      : {};
  return {
    ...params,
    ...flags,
    model,
    messages: [...request.messages, ...trailing],
    stream: true,
    stream_options: { include_usage: true },
  };
};

const boundedParams = (
  { params }: EngineRequest,
  profile: Profile,
  { maxTokens }: EngineRules,
): Record<string, unknown> => {
  const isBounded = OUTPUT_BOUNDS.some((name) => params[name] !== undefined);
  return maxTokens === undefined || isBounded
    ? { ...params }
    : { ...params, [outputBoundOf(profile)]: maxTokens };
};
