import { textOf } from '@sluice/protocol';
import type { Token, Usage } from '@sluice/protocol';
import { fieldOf, textIn } from './fields.ts';
import type { ToolCalls } from './tool-calls.ts';

/**
 * What a `chat.completion.chunk` brings, as tokens in the order reasoning, text, tool calls. Role-only and
 * empty deltas bring none.
 */
export const tokensOfDelta = (delta: unknown, calls: ToolCalls): readonly Token[] => {
  if (typeof delta !== 'object' || delta === null) return [];
  // vLLM says `reasoning`, others `reasoning_content`; some send both with the same text, hence not their sum.
  const reasoning = textIn(delta, 'reasoning') ?? textIn(delta, 'reasoning_content');
  // A refusal is the answer the person gets to read.
  const content = tokensOfContent(fieldOf(delta, 'content'));
  const refusal = textIn(delta, 'refusal');
  return [
    ...(reasoning === undefined ? [] : [reasoningOf(reasoning)]),
    ...(content.length === 0 && refusal !== undefined ? [refusal] : content),
    ...calls.tokensOf(delta),
  ];
};

const reasoningOf = (text: string): Token => ({ kind: 'reasoning', text });

/** A text, or the list of parts that some servers write: https://docs.mistral.ai/capabilities/reasoning */
const tokensOfContent = (content: unknown): readonly Token[] => {
  if (typeof content === 'string') return content === '' ? [] : [content];
  return Array.isArray(content) ? content.flatMap(tokensOfPart) : [];
};

const tokensOfPart = (part: unknown): readonly Token[] => {
  if (typeof part === 'string') return tokensOfContent(part);
  const thinking = fieldOf(part, 'thinking');
  if (thinking !== undefined) return tokensOfContent(thinking).map((token) => reasoningOf(textOf(token)));
  return tokensOfContent(fieldOf(part, 'text'));
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
