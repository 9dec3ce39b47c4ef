import type { MarkedToken, Token, Usage } from '@sluice/protocol';
import { fieldOf, textIn } from './fields.ts';

/**
 * What a `chat.completion.chunk` brings, as tokens in the order reasoning, text, tool calls. Role-only and
 * empty deltas bring none.
 */
export const tokensOfDelta = (delta: unknown): readonly Token[] => {
  if (typeof delta !== 'object' || delta === null) return [];
  const tokens: Token[] = [];
  // vLLM says `reasoning`, others `reasoning_content`; some send both with the same text, hence not their sum.
  const reasoning = textIn(delta, 'reasoning') ?? textIn(delta, 'reasoning_content');
  if (reasoning !== undefined) tokens.push({ kind: 'reasoning', text: reasoning });
  // A refusal is the answer the person gets to read.
  const text = textIn(delta, 'content') ?? textIn(delta, 'refusal');
  if (text !== undefined) tokens.push(text);
  const calls = fieldOf(delta, 'tool_calls');
  if (Array.isArray(calls)) {
    for (const [position, call] of calls.entries()) {
      const token = tokenOfCall(call, position);
      if (token !== undefined) tokens.push(token);
    }
  }
  return tokens;
};

const tokenOfCall = (call: unknown, position: number): MarkedToken | undefined => {
  const called = fieldOf(call, 'function');
  const id = textIn(call, 'id');
  const name = textIn(called, 'name');
  const text = textIn(called, 'arguments') ?? '';
  if (id === undefined && name === undefined && text === '') return undefined;
  const given = fieldOf(call, 'index');
  const index = Number.isSafeInteger(given) && (given as number) >= 0 ? (given as number) : position;
  const tool = { index, ...(id === undefined ? {} : { id }), ...(name === undefined ? {} : { name }) };
  return { kind: 'tool_call', text, tool };
};

/** The figures of a usage object and of its detail objects; anything else in it is left out. */
export const usageOf = (value: unknown): Usage | undefined => {
  if (typeof value !== 'object' || value === null) return undefined;
  const usage: Record<string, unknown> = {};
  for (const [name, figure] of Object.entries<unknown>({ ...value })) {
    if (isFigure(figure)) usage[name] = figure;
    else if (typeof figure === 'object' && figure !== null && !Array.isArray(figure)) {
      const details = Object.entries<unknown>({ ...figure }).filter(([, detail]) => isFigure(detail));
      if (details.length > 0) usage[name] = Object.fromEntries(details);
    }
  }
  return usage;
};

const isFigure = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);
