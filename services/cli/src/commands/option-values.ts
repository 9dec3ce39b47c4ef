import { InvalidArgumentError } from 'commander';

/** Readers of what people type behind an option. Each throws commander's error, which names the option. */

const integer =
  (low: number, high: number) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isInteger(value) && value >= low && value <= high) return value;
    throw new InvalidArgumentError(`Expected a whole number from ${low} to ${high}.`);
  };

export const port = integer(0, 65_535);
export const count = integer(1, 64);
export const listLimit = integer(1, 10_000);
export const processId = integer(2, 2 ** 31);
/** Two would lose the stream with either of them. */
export const oneOrThree = (text: string): 1 | 3 => {
  if (text === '1' || text === '3') return text === '1' ? 1 : 3;
  throw new InvalidArgumentError('Expected 1 or 3.');
};

const SECONDS = { s: 1, m: 60, h: 3_600, d: 86_400 } as const;

/** `90`, `90s`, `15m`, `12h` or `7d`, as seconds. */
export const seconds = (text: string): number => {
  const [, digits = '', unit = 's'] = /^(\d{1,9})([smhd])?$/.exec(text) ?? [];
  const value = Number(digits) * SECONDS[unit as keyof typeof SECONDS];
  if (value > 0) return value;
  throw new InvalidArgumentError('Expected a time such as 90s, 15m, 12h or 7d.');
};

export const id = (text: string): string => {
  if (/^[A-Za-z0-9_-]{1,64}$/.test(text)) return text;
  throw new InvalidArgumentError('Expected 1-64 characters of A-Z a-z 0-9 _ -.');
};

const url =
  (...schemes: readonly string[]) =>
  (text: string): string => {
    const scheme = URL.canParse(text) ? new URL(text).protocol.slice(0, -1) : '';
    if (schemes.includes(scheme)) return text;
    throw new InvalidArgumentError(`Expected a URL that begins with ${schemes.join('://, ')}://.`);
  };

export const webUrl = url('http', 'https', 'ws', 'wss');
export const httpUrl = url('http', 'https');

/** Several separated by commas. */
export const natsUrl = (text: string): string => {
  for (const server of text.split(',')) url('nats', 'tls')(server.trim());
  return text;
};

/** As ms since the Unix epoch. */
export const date = (text: string): number => {
  const ms = Date.parse(text);
  if (!Number.isNaN(ms)) return ms;
  throw new InvalidArgumentError('Expected a time such as 2026-11-30T18:00:00Z.');
};

/** Of docs/WORKERS.md, as `W1,W20`. */
export const clauseIds = (text: string): readonly string[] => {
  const ids = text.split(',').map((part) => part.trim());
  if (ids.every((part) => /^W\d+$/.test(part))) return ids;
  throw new InvalidArgumentError('Expected clauses such as W1,W20.');
};

export const jsonObject = (text: string): Readonly<Record<string, unknown>> => {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Readonly<Record<string, unknown>>;
  } catch {
    // Said below, as for JSON that is no object.
  }
  throw new InvalidArgumentError('Expected an object in JSON.');
};
