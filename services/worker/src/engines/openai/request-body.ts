import { EngineError, OUTPUT_BOUNDS, refusedByRules } from '@sluice/core';
import type { EngineRequest, EngineRules } from '@sluice/core';
import type { ContinuedText } from './continued-text.ts';
import type { RequestBody } from './manners.ts';
import { factsOf } from './profile.ts';
import type { Profile } from './profile.ts';

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
  const refused = refusedByRules(request, rules, factsOf(profile).params);
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
    isContinuation && factsOf(profile).continuation === 'flag'
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

/**
 * The bound under the name that the server knows: some overlook the other one in silence. Of two, the lower counts. A server
 * of which nothing is known gets the client's own word, and says itself if it wants the other.
 */
const boundedParams = (
  { params }: EngineRequest,
  profile: Profile,
  { maxTokens }: EngineRules,
): Record<string, unknown> => {
  const given = OUTPUT_BOUNDS.filter((name) => typeof params[name] === 'number');
  const bounds = given.map((name) => Number(params[name]));
  const bound = bounds.length === 0 ? maxTokens : Math.min(...bounds);
  const { outputBound } = factsOf(profile);
  // OpenAI's older models know the one name, its newer ones the other.
  if (bound === undefined || (outputBound === 'max_completion_tokens' && given.length === 1))
    return { ...params };
  const { max_tokens: _, max_completion_tokens: __, ...rest } = params;
  return { ...rest, [outputBound]: bound };
};
