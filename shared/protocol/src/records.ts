import { ForeignMessageError, parseJson } from './foreign-message.ts';
import { isShallow } from './nesting.ts';
import { MARKED_KINDS } from './tokens.ts';
import type { PartRef, Token, ToolRef } from './tokens.ts';

/** The last token a reader has: `seq` tokens of incarnation `epoch`. (0, 0) is "nothing yet". */
export type Position = { readonly epoch: number; readonly seq: number };

export const END_REASONS = [
  'stop',
  'length',
  'tool_calls',
  'content_filter',
  'cancelled',
  'abandoned',
  'error',
] as const;
export type EndReason = (typeof END_REASONS)[number];

export type Usage = {
  readonly prompt_tokens?: number;
  readonly completion_tokens?: number;
  readonly total_tokens?: number;
  /** the engine did not count all of this */
  readonly estimated?: boolean;
  readonly [detail: string]: unknown;
};

/** What stopping early cost: tokens the engine yielded after the cancel arrived, ms until it had let go. */
export type Receipt = { readonly tokensAfterCancel: number; readonly msToAbort: number };

/** What an engine's server said of a failure, in OpenAI's words. None of it came from Sluice. */
export type UpstreamError = {
  /** HTTP status */
  readonly status?: number;
  readonly type?: string;
  readonly code?: string;
  /** field of the request that is wrong */
  readonly param?: string;
  /** for people, at most 1,000 characters */
  readonly message?: string;
  /** when another try may succeed, ms from then on */
  readonly retryAfterMs?: number;
};

export type GenerationError = {
  readonly code: string;
  readonly message: string;
  readonly upstream?: UpstreamError;
};

/** How a generation ended. Part of the log, so every reader sees the same end. */
export type End = {
  readonly reason: EndReason;
  readonly usage?: Usage;
  readonly error?: GenerationError;
  readonly receipt?: Receipt;
};

/**
 * One message of a generation's log. It repeats its whole chunk so far, hence covers
 * (base, base + tokens.length], replaces the chunk's earlier record, and a lost live copy is healed by the next one.
 */
export type TokenRecord = {
  readonly v: 2;
  readonly epoch: number;
  readonly attempt: number;
  /** seq before the chunk's first token */
  readonly base: number;
  /** ms since the Unix epoch when this record was made */
  readonly at: number;
  readonly tokens: readonly Token[];
  readonly end?: End;
};

/** A record as NATS stored it. */
export type StoredRecord = {
  /** stream sequence */
  readonly sequence: number;
  /** the chunk's number, counted from 0 over all epochs of the generation: the last part of the subject */
  readonly chunk: number;
  readonly record: TokenRecord;
};

/** seq of a record's newest token. */
export const headOf = (record: TokenRecord): number => record.base + record.tokens.length;

// Lists, not sets: a bundler cannot tell that making a set does nothing, and would keep it in the SDK.
const KNOWN_REASONS: readonly unknown[] = END_REASONS;
const KNOWN_KINDS: readonly unknown[] = MARKED_KINDS;

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** A count, and texts under these names, if any. */
const isRef = (value: unknown, names: readonly string[]): boolean => {
  if (value === undefined) return true;
  if (typeof value !== 'object' || value === null) return false;
  const fields = value as Record<string, unknown>;
  return (
    isCount(fields['index']) &&
    names.every((name) => fields[name] === undefined || typeof fields[name] === 'string')
  );
};
const isTool = (value: unknown): value is ToolRef | undefined => isRef(value, ['id', 'name']);
const isPart = (value: unknown): value is PartRef | undefined => isRef(value, ['type', 'id']);

const isToken = (value: unknown): value is Token => {
  if (typeof value === 'string') return true;
  if (typeof value !== 'object' || value === null) return false;
  const { kind, text, tool, part } = value as Record<string, unknown>;
  return KNOWN_KINDS.includes(kind) && typeof text === 'string' && isTool(tool) && isPart(part);
};

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Only the known fields: an end is spread into frames and items, where a foreign field could overwrite one. */
const parseEnd = (value: unknown): End | undefined => {
  if (!isObject(value) || !KNOWN_REASONS.includes(value.reason)) return undefined;
  const { reason, usage, error, receipt } = value;
  if (usage !== undefined && !isUsage(usage)) return undefined;
  if (error !== undefined && !isGenerationError(error)) return undefined;
  if (receipt !== undefined && !isReceipt(receipt)) return undefined;
  return {
    reason: reason as EndReason,
    ...(usage === undefined ? {} : { usage }),
    ...(error === undefined ? {} : { error: errorOf(error) }),
    ...(receipt === undefined
      ? {}
      : { receipt: { tokensAfterCancel: receipt.tokensAfterCancel, msToAbort: receipt.msToAbort } }),
  };
};

const FIGURES = ['prompt_tokens', 'completion_tokens', 'total_tokens'] as const;

const isUsage = (value: unknown): value is Usage =>
  isObject(value) &&
  isShallow(value) &&
  FIGURES.every((name) => value[name] === undefined || Number.isFinite(value[name])) &&
  (value.estimated === undefined || typeof value.estimated === 'boolean');

const isGenerationError = (value: unknown): value is GenerationError =>
  isObject(value) &&
  typeof value.code === 'string' &&
  typeof value.message === 'string' &&
  (value.upstream === undefined || isUpstreamError(value.upstream));

const UPSTREAM_TEXTS = ['type', 'code', 'param', 'message'] as const;
const UPSTREAM_FIGURES = ['status', 'retryAfterMs'] as const;

const isUpstreamError = (value: unknown): value is UpstreamError =>
  isObject(value) &&
  UPSTREAM_TEXTS.every((name) => value[name] === undefined || typeof value[name] === 'string') &&
  UPSTREAM_FIGURES.every((name) => value[name] === undefined || isCount(value[name]));

const errorOf = ({ code, message, upstream }: GenerationError): GenerationError => ({
  ...{ code, message },
  ...(upstream === undefined ? {} : { upstream: knownOf(upstream) }),
});

const knownOf = (upstream: UpstreamError): UpstreamError =>
  Object.fromEntries(
    [...UPSTREAM_TEXTS, ...UPSTREAM_FIGURES]
      .filter((name) => upstream[name] !== undefined)
      .map((name) => [name, upstream[name]]),
  );

const isReceipt = (value: unknown): value is Receipt =>
  isObject(value) && isCount(value.tokensAfterCancel) && typeof value.msToAbort === 'number';

/**
 * Parses one stored record. Workers may be anybody's program, so every field is checked.
 * @throws ForeignMessageError naming the field, never its content.
 */
export const parseRecord = (json: string): TokenRecord => {
  const value = parseJson(json);
  if (!isObject(value)) throw new ForeignMessageError('expected an object');
  const record: Partial<TokenRecord> = value;
  const wrong = (field: string): ForeignMessageError =>
    new ForeignMessageError(`wrong or missing \`${field}\``);
  if (record.v !== 2) throw wrong('v');
  if (!isCount(record.epoch)) throw wrong('epoch');
  if (!isCount(record.attempt)) throw wrong('attempt');
  if (!isCount(record.base)) throw wrong('base');
  if (!isCount(record.at)) throw wrong('at');
  if (!Array.isArray(record.tokens) || !record.tokens.every(isToken)) throw wrong('tokens');
  if (record.end === undefined) return record as TokenRecord;
  const end = parseEnd(record.end);
  if (end === undefined) throw wrong('end');
  return { ...(record as TokenRecord), end };
};

export const encodeRecord = (record: TokenRecord): string => JSON.stringify(record);
