import type { EndReason, GenerationItem, ToolCall } from '@sluice/protocol';
import { chatUsageOf } from './usage.ts';

/** What every chunk and the completion say of themselves. */
export type CompletionHead = {
  readonly id: string;
  /** seconds since the Unix epoch */
  readonly created: number;
  readonly model: string;
};

export const headOf = ({ id, createdAt, model }: GenerationItem): CompletionHead => ({
  id,
  created: Math.floor(createdAt / 1000),
  model,
});

/** OpenAI's name of an end that brings an answer; the others are errors. */
export const finishReasonOf = (reason: EndReason | undefined): string =>
  reason === 'length' || reason === 'tool_calls' || reason === 'content_filter' ? reason : 'stop';

/** A finished generation as the answer to a request that is not streamed. */
export const completionOf = (item: GenerationItem): object => {
  const { text = '', reasoning, toolCalls, reason } = item;
  const usage = chatUsageOf(item.usage);
  const message = {
    role: 'assistant',
    content: text === '' && toolCalls !== undefined ? null : text,
    refusal: null,
    ...(reasoning === undefined ? {} : { reasoning_content: reasoning }),
    ...(toolCalls === undefined ? {} : { tool_calls: toolCalls.map(callOf) }),
  };
  return {
    ...headOf(item),
    object: 'chat.completion',
    choices: [{ index: 0, message, logprobs: null, finish_reason: finishReasonOf(reason) }],
    ...(usage === undefined ? {} : { usage }),
  };
};

export const callOf = ({ id, name, arguments: text }: ToolCall): object => ({
  id,
  type: 'function',
  function: { name, arguments: text },
});
