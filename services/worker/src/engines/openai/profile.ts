import { SAMPLING_PARAMS, USUAL_PARAMS } from '@sluice/core';
import { kindOf } from '@sluice/protocol';
import type { Token } from '@sluice/protocol';
import type { MannerName } from './manners.ts';

export const PROFILES = [
  'vllm',
  'sglang',
  'llamacpp',
  'ollama',
  'openai',
  'azure',
  'mistral',
  'gemini',
  'anthropic-compatible',
  'openrouter',
  'litellm',
] as const;

/** The server behind the OpenAI-compatible interface. */
export type Profile = (typeof PROFILES)[number];

/**
 * How a server is told to go on from a text:
 * `flag`: trailing assistant message and `continue_final_message: true, add_generation_prompt: false`;
 * `trailing`: the trailing assistant message says it all;
 * `none`: it would start a new answer, or repeats the text.
 */
export type Continuation = 'flag' | 'trailing' | 'none';

/** Where a server expects its key: `Authorization: Bearer`, or a header `api-key`. */
export type Credential = 'bearer' | 'api-key';

/** What is known of a server before it is asked. What else it wants otherwise is learned from its refusals. */
type Facts = {
  readonly continuation: Continuation;
  /** parameters that it has, of those that every prompt may have */
  readonly params: readonly string[];
  /** how it is told the most tokens of an answer that its prompt does not bound */
  readonly outputBound: 'max_tokens' | 'max_completion_tokens';
  readonly credential: Credential;
  /** in which it differs from OpenAI's own */
  readonly manners: readonly MannerName[];
};

const HOSTED: Facts = {
  continuation: 'none',
  params: USUAL_PARAMS,
  outputBound: 'max_tokens',
  credential: 'bearer',
  manners: [],
};
const SELF_HOSTED: Facts = { ...HOSTED, params: [...USUAL_PARAMS, ...SAMPLING_PARAMS] };

const FACTS: Readonly<Record<Profile, Facts>> = {
  vllm: { ...SELF_HOSTED, continuation: 'flag' },
  sglang: { ...SELF_HOSTED, continuation: 'flag' },
  llamacpp: { ...SELF_HOSTED, continuation: 'flag' },
  ollama: { ...SELF_HOSTED, continuation: 'trailing' },
  // OpenAI's newer models know no other name of the bound.
  openai: { ...HOSTED, outputBound: 'max_completion_tokens' },
  azure: { ...HOSTED, outputBound: 'max_completion_tokens', credential: 'api-key' },
  // https://docs.mistral.ai/api: fields that it does not have are refused, and each stream ends with its usage.
  mistral: {
    ...HOSTED,
    manners: ['no_stream_options', 'max_tokens', 'random_seed', 'system_role', 'alternation'],
  },
  gemini: HOSTED,
  'anthropic-compatible': HOSTED,
  // Both pass on what the model's own server may know.
  openrouter: SELF_HOSTED,
  litellm: SELF_HOSTED,
};

export const factsOf = (profile: Profile): Facts => FACTS[profile];

/**
 * Whether the server can go on from these tokens. Reasoning and tool calls cannot be handed back as the
 * text of a message: templates drop or re-wrap them.
 */
export const canContinueFrom = (profile: Profile, prefix: readonly Token[]): boolean =>
  prefix.length === 0 ||
  (FACTS[profile].continuation !== 'none' && prefix.every((token) => kindOf(token) === 'text'));
