import { MAX_TOKEN_BYTES, textOf } from '@sluice/protocol';
import type { Token } from '@sluice/protocol';

/** No UTF-16 code unit takes more than three bytes of UTF-8, so this many always fit. */
const ALWAYS_FITS = Math.floor(MAX_TOKEN_BYTES / 3);

/** The token, or several of at most MAX_TOKEN_BYTES of UTF-8 that join to its text. Never cuts a code point. */
export const splitToken = (token: Token): readonly Token[] => {
  const text = textOf(token);
  if (text.length <= ALWAYS_FITS || Buffer.byteLength(text) <= MAX_TOKEN_BYTES) return [token];
  return splitText(text).map((part, index) => withText(token, part, index));
};

const splitText = (text: string): readonly string[] => {
  const parts: string[] = [];
  for (let start = 0; start < text.length;) {
    let end = Math.min(text.length, start + ALWAYS_FITS);
    if (end < text.length && isHighSurrogate(text.charCodeAt(end - 1))) end -= 1;
    parts.push(text.slice(start, end));
    start = end;
  }
  return parts;
};

const isHighSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff;

/** What a call or a part is named belongs to its first piece only. */
const withText = (token: Token, text: string, index: number): Token => {
  if (typeof token === 'string') return text;
  const { tool, part } = token;
  if (index === 0) return { ...token, text };
  return {
    ...{ ...token, text },
    ...(tool === undefined ? {} : { tool: { index: tool.index } }),
    ...(part === undefined ? {} : { part: { index: part.index } }),
  };
};
