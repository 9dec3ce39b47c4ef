import { chatCallsOf, knownPartOf, reasoningFieldsOf } from '@sluice/core/parts';
import type { EndReason, GenerationItem, Part } from '@sluice/protocol';
import { chatUsageOf } from '../usage.ts';

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
  const { reason } = item;
  const usage = chatUsageOf(item.usage);
  const message = { ...messageOf(item), ...shownPartsOf(item.parts) };
  return {
    ...headOf(item),
    object: 'chat.completion',
    choices: [{ index: 0, message, logprobs: null, finish_reason: finishReasonOf(reason) }],
    ...(usage === undefined ? {} : { usage }),
  };
};

type Said = Pick<GenerationItem, 'text' | 'reasoning' | 'refusal' | 'toolCalls' | 'parts'>;

const messageOf = ({ text = '', reasoning, refusal, toolCalls, parts }: Said): object => ({
  ...reasoningFieldsOf(parts),
  role: 'assistant',
  content: text === '' && (toolCalls ?? refusal) !== undefined ? null : text,
  refusal: refusal ?? null,
  ...(reasoning === undefined ? {} : { reasoning_content: reasoning }),
  ...(toolCalls === undefined ? {} : { tool_calls: chatCallsOf(toolCalls, parts) }),
});

/** The parts that an answer shows, as fields of its message: images in OpenRouter's field, what has none in `parts`. */
export const shownPartsOf = (parts: readonly Part[] = []): object => {
  const annotations: object[] = [];
  const images: object[] = [];
  const others: Part[] = [];
  for (const part of parts.map(knownPartOf)) {
    if (part.type === 'annotation') annotations.push(part.annotation);
    else if (part.type === 'image') images.push(part.image);
    else if (part.type === 'other') others.push(part.part);
  }
  const fields = Object.entries({ annotations, images, parts: others });
  return Object.fromEntries(fields.filter(([, list]) => list.length > 0));
};
