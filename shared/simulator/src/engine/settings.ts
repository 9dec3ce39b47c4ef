import type { PromptParams } from '@sluice/protocol';
import { z } from 'zod';
import { EngineError } from '@sluice/core';

/** How a simulated run behaves. An operator sets them for the engine, a prompt by `params.simulated`. */
export type SimulatedSettings = {
  /** chooses the text; a prompt's `params.seed` counts as well. Default 1 */
  readonly seed: number;
  /** where text comes from: whole answers, or an endless chain. Default `authored` */
  readonly source: 'authored' | 'ngram';
  /** tokens of reasoning and text together; default: until the text's natural end */
  readonly tokens?: number;
  /** how many of the first tokens are reasoning. Default 0 */
  readonly reasoningTokens: number;
  /** ends the output with this call instead of (or, with `tokens`, after) text */
  readonly toolCall?: SimulatedToolCall;
  /** replaces each token's text by `⟦<watermark>.<seq>⟧`, seq from 1: lets tests see what arrived */
  readonly watermark?: string;

  /** ms until the first token. Default 250 */
  readonly ttftMs: number;
  /** tokens per second; 0 is as fast as possible. Default 40 */
  readonly tokensPerSecond: number;
  /** how far a token may be late, as a share of the interval, 0..1. Default 0.2 */
  readonly jitter: number;
  /** tokens that come at the same moment. Default 1 */
  readonly burst: number;
  /** seq of the token before which the output stalls; default never */
  readonly stallAtToken?: number;
  /** ms of that stall. Default 5,000 */
  readonly stallMs: number;

  /**
   * seq before which a run that started from zero dies; default never. A continued run does not die
   * again, so that recovery can be shown.
   */
  readonly crashAtToken?: number;
  /** seq before which every run fails for good, with upstream_rejected; default never */
  readonly failAtToken?: number;
};

export type SimulatedToolCall = {
  readonly name: string;
  /** the JSON text as the model would write it, or an object to be written as JSON */
  readonly arguments: string | { readonly [field: string]: unknown };
};

export const DEFAULT_SIMULATED_SETTINGS: SimulatedSettings = {
  seed: 1,
  source: 'authored',
  reasoningTokens: 0,
  ttftMs: 250,
  tokensPerSecond: 40,
  jitter: 0.2,
  burst: 1,
  stallMs: 5_000,
};

const MAX_TOKENS = 1_000_000;
const MAX_WAIT_MS = 10 * 60_000;
const MAX_TOOL_ARGUMENTS = 16 * 1024;
const seq = z.int().min(1).max(MAX_TOKENS).optional();
const waitMs = z.number().min(0).max(MAX_WAIT_MS).optional();

/** What a prompt may override, within bounds that keep one prompt from hurting its worker. */
const overridesSchema = z.object({
  seed: z.int().optional(),
  source: z.enum(['authored', 'ngram']).optional(),
  tokens: z.int().min(0).max(MAX_TOKENS).optional(),
  reasoningTokens: z.int().min(0).max(MAX_TOKENS).optional(),
  toolCall: z
    .object({
      name: z.string().min(1).max(64),
      arguments: z.union([z.string().max(MAX_TOOL_ARGUMENTS), z.record(z.string(), z.unknown())]),
    })
    .optional(),
  watermark: z.string().min(1).max(200).optional(),
  ttftMs: waitMs,
  tokensPerSecond: z.number().min(0).max(100_000).optional(),
  jitter: z.number().min(0).max(1).optional(),
  burst: z.int().min(1).max(10_000).optional(),
  stallAtToken: seq,
  stallMs: waitMs,
  crashAtToken: seq,
  failAtToken: seq,
});

/**
 * The settings of one run: the engine's, overridden by `params.seed` and then by `params.simulated`,
 * whose unknown fields are ignored.
 * @throws EngineError upstream_rejected, naming the field that is out of bounds
 */
export const settingsFor = (engine: SimulatedSettings, params: PromptParams): SimulatedSettings => {
  const seeded = params.seed === undefined ? engine : { ...engine, seed: params.seed };
  if (params['simulated'] === undefined) return seeded;
  const parsed = overridesSchema.safeParse(params['simulated']);
  if (!parsed.success) {
    const problem = parsed.error.issues[0];
    const field = ['simulated', ...(problem?.path ?? [])].map(String).join('.').slice(0, 100);
    throw new EngineError('upstream_rejected', `params.${field}: ${problem?.message ?? 'invalid'}`);
  }
  // An absent key stays absent in zod's output, so nothing is overridden by undefined.
  return { ...seeded, ...(parsed.data as Partial<SimulatedSettings>) };
};
