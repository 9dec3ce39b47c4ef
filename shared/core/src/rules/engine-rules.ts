import type { PromptBody } from '@sluice/protocol';
import { OUTPUT_BOUNDS, refusedValue, SAMPLING_PARAMS, USUAL_PARAMS } from './parameters.ts';
import { refusedAddress } from './url-policy.ts';
import type { UrlHosts } from './url-policy.ts';

/** What an engine may be asked, besides what everybody may ask. */
export type EngineRules = {
  /** more parameters that reach it */
  readonly params: readonly string[];
  /** where the images and files of a conversation may be; empty: at any public host */
  readonly urlHosts: UrlHosts;
  /** most tokens of an answer; undefined: as many as the engine makes */
  readonly maxTokens?: number | undefined;
};

/** Of the simulated engine; no other one knows it. */
const SIMULATED_PARAMS: readonly string[] = ['simulated'];

/** What passes an edge, which cannot know which engine a prompt will meet. */
export const KNOWN_PARAMS: readonly string[] = [...USUAL_PARAMS, ...SAMPLING_PARAMS, ...SIMULATED_PARAMS];

/**
 * Why an engine is not asked this, for people: each parameter that is not accepted by its name, then a bound that is too
 * high, then an address. undefined: it is asked.
 * @param known parameters that are accepted besides those of the rules
 */
export const refusedByRules = (
  { params = {}, messages = [] }: Pick<PromptBody, 'params' | 'messages'>,
  rules: EngineRules,
  known = KNOWN_PARAMS,
): string | undefined => {
  const unknown = Object.keys(params).filter((name) => !known.includes(name) && !rules.params.includes(name));
  const [reason, ...others] = unknown.map(refusedValue);
  if (reason !== undefined && !others.includes(undefined)) return reason;
  if (unknown.length > 0)
    return `${namesOf(unknown)}: not accepted as a parameter here; SLUICE_UPSTREAM_PARAMS allows more`;
  return refusedBound(params, rules) ?? refusedAddress(messages, rules.urlHosts);
};

/** A server may read a number from other types than we. */
const refusedBound = (
  params: Readonly<Record<string, unknown>>,
  { maxTokens = Infinity }: EngineRules,
): string | undefined => {
  for (const name of OUTPUT_BOUNDS) {
    const bound = params[name];
    if (bound === undefined) continue;
    if (typeof bound !== 'number' || !Number.isInteger(bound) || bound < 1)
      return `\`${name}\`: expected an integer of 1 or more`;
    if (bound > maxTokens)
      return `\`${name}\`: expected at most ${maxTokens} (SLUICE_MAX_TOKENS), got ${bound}`;
  }
  return undefined;
};

const MAX_NAMES = 8;
const MAX_NAME_CHARS = 64;

const namesOf = (names: readonly string[]): string => {
  const shown = names.slice(0, MAX_NAMES).map((name) => `\`${name.slice(0, MAX_NAME_CHARS)}\``);
  const rest = names.length - shown.length;
  return shown.join(', ') + (rest > 0 ? ` and ${rest} more` : '');
};
