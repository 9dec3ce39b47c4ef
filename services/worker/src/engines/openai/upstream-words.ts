import type { UpstreamError } from '@sluice/protocol';
import { fieldOf, textIn } from './fields.ts';

/** Whether users are told a server's own messages. Codes, types and fields they are always told. */
export type UpstreamMessages = 'show' | 'hide';

export type Answer = {
  readonly status: number;
  /** parsed, whatever it is */
  readonly body: unknown;
  readonly retryAfter?: string | undefined;
};

const MAX_MESSAGE = 1_000;
const MAX_WORD = 200;
/** A server's quarrel with its operator, about a key for example, is none of the users' business. */
const OPERATORS_OWN: ReadonlySet<number> = new Set([401, 403]);

/** What a failed answer says that a user or a client can act on. */
export const wordsOf = (
  { status, body, retryAfter }: Answer,
  messages: UpstreamMessages = 'show',
): UpstreamError => {
  const retryAfterMs = msOf(retryAfter);
  const waiting = retryAfterMs === undefined ? {} : { retryAfterMs };
  if (OPERATORS_OWN.has(status)) return { status, ...waiting };
  const given = fieldOf(body, 'error') ?? body;
  const error = typeof given === 'string' ? { message: given } : given;
  const message = messages === 'hide' ? undefined : (textIn(error, 'message') ?? textIn(error, 'detail'));
  return {
    status,
    ...waiting,
    ...word('type', textIn(error, 'type')),
    ...word('code', textIn(error, 'code')),
    ...word('param', textIn(error, 'param')),
    ...(message === undefined ? {} : { message: withoutKeys(message).slice(0, MAX_MESSAGE) }),
  };
};

const word = (name: 'type' | 'code' | 'param', text: string | undefined): UpstreamError =>
  text === undefined ? {} : { [name]: withoutKeys(text).slice(0, MAX_WORD) };

/** What looks like a credential: the prefixes of well-known issuers, bearer tokens, JWTs. */
const KEYS =
  /\b(?:sk|pk|rk|gsk|hf|xai|key|ghp|gho|xox[abprs])[-_][\w*.-]{6,}|\bAIza[\w-]{10,}|\beyJ[\w-]+\.[\w.-]+|\bBearer\s+\S+/gi;

const withoutKeys = (text: string): string => text.replaceAll(KEYS, '***');

/** Seconds, or a date: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after. At most a day. */
const msOf = (retryAfter: string | undefined): number | undefined => {
  if (retryAfter === undefined || retryAfter.trim() === '') return undefined;
  const seconds = Number(retryAfter);
  const ms = Number.isNaN(seconds) ? Date.parse(retryAfter) - Date.now() : seconds * 1000;
  return Number.isFinite(ms) ? Math.min(86_400_000, Math.max(0, Math.round(ms))) : undefined;
};
