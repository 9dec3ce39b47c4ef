import type { EngineRequest } from '@sluice/core';
import type { ContinuedText } from './continued-text.ts';
import { continuationOf } from './profile.ts';
import type { Profile } from './profile.ts';

/** Ours, or without meaning for a stream of one answer. */
const NOT_PASSED_ON: ReadonlySet<string> = new Set(['simulated', 'n', 'stream', 'stream_options']);
/** Bounds on the whole answer, of which the continued text is a part. */
const OUTPUT_BOUNDS = ['max_tokens', 'max_completion_tokens'];

export type RequestBody = { readonly [field: string]: unknown };

/**
 * The body of `POST /chat/completions`. Params pass through, known or not, so that a server's own
 * extensions can be used; what makes it a stream of this conversation is set last and cannot be overridden.
 * Undefined when the continued text has used up `max_tokens` already: nothing is left to ask for.
 */
export const requestBody = (
  request: EngineRequest,
  continued: ContinuedText,
  options: { readonly profile: Profile; readonly model: string },
): RequestBody | undefined => {
  const params: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(request.params)) {
    if (!NOT_PASSED_ON.has(name)) params[name] = value;
  }
  for (const name of OUTPUT_BOUNDS) {
    const bound = params[name];
    if (typeof bound !== 'number') continue;
    if (request.prefix.length >= bound) return undefined;
    params[name] = bound - continued.tokens;
  }
  const isContinuation = continued.text !== '';
  const trailing = isContinuation ? [{ role: 'assistant', content: continued.text }] : [];
  const flags =
    isContinuation && continuationOf(options.profile) === 'flag'
      ? { continue_final_message: true, add_generation_prompt: false }
      : {};
  return {
    ...params,
    ...flags,
    model: options.model,
    messages: [...request.messages, ...trailing],
    stream: true,
    stream_options: { include_usage: true },
  };
};
