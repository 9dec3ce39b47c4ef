import type { ChatMessage, Usage } from '@sluice/protocol';

/** Of text in the languages that models speak most, near enough for a figure that is marked as an estimate. */
const BYTES_PER_TOKEN = 4;

/** What is known of a generation without its engine. */
export type Counted = {
  readonly promptTokens: number;
  /** seq of its newest token */
  readonly completionTokens: number;
};

/** The usage that an end tells: as the engine counted it, completed and marked where it did not say all of it. */
export const wholeUsage = (usage: Usage | undefined, counted: Counted): Usage => {
  if (usage?.prompt_tokens !== undefined && usage.completion_tokens !== undefined) return usage;
  const { prompt_tokens = counted.promptTokens, completion_tokens = counted.completionTokens } = usage ?? {};
  const total_tokens = prompt_tokens + completion_tokens;
  return { ...usage, prompt_tokens, completion_tokens, total_tokens, estimated: true };
};

/** Of the prompt's tokens, those that the engine had in its KV cache; undefined where it does not say. */
export const cachedTokensOf = (usage: Usage | undefined): number | undefined => {
  const details = usage?.['prompt_tokens_details'];
  if (typeof details !== 'object' || details === null || !('cached_tokens' in details)) return undefined;
  return typeof details.cached_tokens === 'number' ? details.cached_tokens : undefined;
};

/** Tokens of a conversation as its text's bytes tell them; images and the like count nothing. */
export const promptTokensOf = (messages: readonly ChatMessage[]): number => {
  const bytes = messages.reduce((sum, { content }) => sum + bytesOf(content), 0);
  return Math.ceil(bytes / BYTES_PER_TOKEN);
};

const bytesOf = (content: ChatMessage['content']): number => {
  if (typeof content === 'string') return Buffer.byteLength(content);
  return (content ?? []).reduce<number>((sum, part) => sum + Buffer.byteLength(textOfPart(part)), 0);
};

const textOfPart = (part: unknown): string => {
  if (typeof part !== 'object' || part === null || !('text' in part)) return '';
  return typeof part.text === 'string' ? part.text : '';
};
