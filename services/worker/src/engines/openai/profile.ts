import { SAMPLING_PARAMS, USUAL_PARAMS } from '@sluice/core';
import { kindOf } from '@sluice/protocol';
import type { Token } from '@sluice/protocol';

/** The server behind the OpenAI-compatible interface. They differ in how a text is continued. */
export type Profile = 'vllm' | 'sglang' | 'llamacpp' | 'ollama' | 'openai';

export const PROFILES = [
  'vllm',
  'sglang',
  'llamacpp',
  'ollama',
  'openai',
] as const satisfies readonly Profile[];

/**
 * How a server is told to go on from a text:
 * `flag`: trailing assistant message and `continue_final_message: true, add_generation_prompt: false`;
 * `trailing`: the trailing assistant message says it all;
 * `none`: it would start a new answer.
 */
export type Continuation = 'flag' | 'trailing' | 'none';

const CONTINUATIONS: Record<Profile, Continuation> = {
  vllm: 'flag',
  sglang: 'flag',
  llamacpp: 'flag',
  ollama: 'trailing',
  openai: 'none',
};

export const continuationOf = (profile: Profile): Continuation => CONTINUATIONS[profile];

/** Parameters that it has, of those that every prompt may have. */
export const paramsOf = (profile: Profile): readonly string[] =>
  profile === 'openai' ? USUAL_PARAMS : [...USUAL_PARAMS, ...SAMPLING_PARAMS];

/** How it is told the most tokens of an answer; OpenAI's newer models know no other name. */
export const outputBoundOf = (profile: Profile): string =>
  profile === 'openai' ? 'max_completion_tokens' : 'max_tokens';

/**
 * Whether the server can go on from these tokens. Reasoning and tool calls cannot be handed back as the
 * text of a message: templates drop or re-wrap them.
 */
export const canContinueFrom = (profile: Profile, prefix: readonly Token[]): boolean =>
  prefix.length === 0 ||
  (continuationOf(profile) !== 'none' && prefix.every((token) => kindOf(token) === 'text'));
