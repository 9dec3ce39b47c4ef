import type { UsageRecord } from '@sluice/protocol';

/** What some generations cost together. */
export type UsageFigures = {
  readonly generations: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
  readonly gpuMs: number;
  readonly savedTokens: number;
  /** of the generations, those whose tokens the engine did not count itself */
  readonly estimated: number;
};

export const NO_USAGE: UsageFigures = {
  generations: 0,
  promptTokens: 0,
  cachedTokens: 0,
  completionTokens: 0,
  gpuMs: 0,
  savedTokens: 0,
  estimated: 0,
};

export const plus = (one: UsageFigures, other: UsageFigures): UsageFigures => ({
  generations: one.generations + other.generations,
  promptTokens: one.promptTokens + other.promptTokens,
  cachedTokens: one.cachedTokens + other.cachedTokens,
  completionTokens: one.completionTokens + other.completionTokens,
  gpuMs: one.gpuMs + other.gpuMs,
  savedTokens: one.savedTokens + other.savedTokens,
  estimated: one.estimated + other.estimated,
});

/** The figures and nothing else of a record. */
export const figuresOf = (record: UsageRecord): UsageFigures =>
  plus(NO_USAGE, { ...record, generations: 1, estimated: record.estimated === true ? 1 : 0 });

/** Dollars per 1,000,000 tokens. What is not said costs nothing; cached tokens cost what other ones of a prompt do. */
export type TokenPrice = { readonly input?: number; readonly cached?: number; readonly output?: number };

const PER_TOKENS = 1_000_000;

export const dollarsOf = (
  { promptTokens, cachedTokens, completionTokens }: UsageFigures,
  { input = 0, cached = input, output = 0 }: TokenPrice,
): number =>
  ((promptTokens - cachedTokens) * input + cachedTokens * cached + completionTokens * output) / PER_TOKENS;
