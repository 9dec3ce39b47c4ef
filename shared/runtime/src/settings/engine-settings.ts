import type { z } from 'zod';
import { count, list, setting } from './setting.ts';

/** What makes an answer one stream of this conversation is ours to say. */
const OURS = ['model', 'messages', 'n', 'stream', 'stream_options'];
const hasNoneOfOurs = (names: readonly string[]): boolean => !names.some((name) => OURS.includes(name));

/**
 * What engines may be asked. Edges refuse the rest by name when it is asked, workers once more before they ask: both need
 * the same values.
 */
export const engineSettings = {
  upstreamParams: setting(
    list()
      .refine(hasNoneOfOurs, `expected none of ${OURS.join(', ')}`)
      .default([]),
    {
      env: 'SLUICE_UPSTREAM_PARAMS',
      about:
        'Parameters that prompts may have besides the usual ones, separated by commas; others are refused by name.',
    },
  ),
  upstreamUrlHosts: setting(list().default([]), {
    env: 'SLUICE_UPSTREAM_URL_HOSTS',
    about:
      'Hosts that images and files of prompts may be fetched from by https, such as `cdn.example.com` or `*.example.com`; empty: any public one, `none`: only `data:`.',
  }),
  maxTokens: setting(count(1, 1_000_000).optional(), {
    env: 'SLUICE_MAX_TOKENS',
    about: 'Most tokens of an answer that a prompt may ask for, and what one gets that asks for none.',
  }),
};

type EngineConfig = {
  readonly [Name in keyof typeof engineSettings]: z.output<(typeof engineSettings)[Name]['schema']>;
};

/** The settings in the form that the rules take. */
export const engineRulesOf = ({ upstreamParams, upstreamUrlHosts, maxTokens }: EngineConfig) => ({
  params: upstreamParams,
  urlHosts: upstreamUrlHosts,
  maxTokens,
});
