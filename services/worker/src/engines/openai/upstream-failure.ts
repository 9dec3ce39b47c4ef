import { EngineError } from '@sluice/core';
import type { EngineErrorCode } from '@sluice/core';
import { fieldOf } from './fields.ts';
import { wordsOf } from './upstream-words.ts';
import type { Answer, UpstreamMessages } from './upstream-words.ts';

/** What an HTTP status says about trying again. */
export const codeOfStatus = (status: number): EngineErrorCode => {
  if (status === 429) return 'upstream_overloaded';
  if (status >= 500 || status === 408) return 'upstream_unavailable';
  if (status >= 400) return 'upstream_rejected';
  return 'upstream_protocol';
};

/** A body as JSON; undefined for anything else: proxies answer in HTML, and the status has said enough. */
export const parsedOf = (body: string): unknown => {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
};

/**
 * An answer other than 200. Its message goes to logs too, so of the body it repeats only a code word: servers echo
 * prompts and keys. What users are told of the body is `upstream`.
 */
export const statusFailure = (answer: Answer, messages?: UpstreamMessages): EngineError => {
  const { status, body } = answer;
  const word = codeWordOf(fieldOf(body, 'error') ?? body);
  const message = `the upstream answered ${status}${word === undefined ? '' : ` (${word})`}`;
  return new EngineError(codeOfStatus(status), message, { status, upstream: wordsOf(answer, messages) });
};

/** An error object that arrived inside a stream whose status was 200. */
export const midStreamFailure = (error: unknown, messages?: UpstreamMessages): EngineError => {
  const status = statusOf(fieldOf(error, 'code') ?? fieldOf(error, 'status_code'));
  const word = codeWordOf(error);
  const message = `the upstream failed while it was answering${word === undefined ? '' : ` (${word})`}`;
  if (status !== undefined) {
    const upstream = wordsOf({ status, body: error }, messages);
    return new EngineError(codeOfStatus(status), message, { status, upstream });
  }
  const { status: _, ...upstream } = wordsOf({ status: 500, body: error }, messages);
  return new EngineError('upstream_unavailable', message, { upstream });
};

/** No usable connection, or it broke. System error codes such as ECONNREFUSED are safe to repeat. */
export const connectionFailure = (cause: unknown): EngineError => {
  const word = codeWordOf(cause);
  const message = `the connection to the upstream failed${word === undefined ? '' : ` (${word})`}`;
  return new EngineError('upstream_unavailable', message, { isLost: true, cause });
};

export const protocolFailure = (message: string, cause?: unknown): EngineError =>
  new EngineError('upstream_protocol', message, cause === undefined ? {} : { cause });

const CODE_WORD = /^[A-Za-z][A-Za-z0-9_.]{0,63}$/;

const codeWordOf = (error: unknown): string | undefined =>
  [fieldOf(error, 'code'), fieldOf(error, 'type')].find(
    (word): word is string => typeof word === 'string' && CODE_WORD.test(word),
  );

/** Servers write the status as a number or as its digits. */
const statusOf = (code: unknown): number | undefined => {
  const status = typeof code === 'string' ? Number(code) : code;
  return typeof status === 'number' && Number.isInteger(status) && status >= 400 && status <= 599
    ? status
    : undefined;
};
