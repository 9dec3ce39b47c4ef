import type { PromptBody } from '@sluice/protocol';
import { chatMessageSchema, counted } from '@sluice/protocol/schema';
import { z } from 'zod';
import { withChatParts } from './input/content-parts.ts';
import { checkPrompt, withoutNulls } from '../requests/prompt-check.ts';

/** `POST /v1/chat/completions`. What is not named here passes through to the engine. */
export const chatRequestSchema = z
  .looseObject({
    model: z.string().nullish().describe('Default the server’s.'),
    messages: counted(10_000, z.array(chatMessageSchema)),
    stream: z.boolean().nullish(),
    stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
    max_tokens: z.int().nullish(),
    max_completion_tokens: z.int().nullish(),
    temperature: z.number().nullish(),
    top_p: z.number().nullish(),
    tools: counted(256, z.array(z.unknown())).nullish(),
  })
  .meta({ id: 'ChatCompletionRequest' });

export type ChatRequest = z.infer<typeof chatRequestSchema>;

/**
 * What the worker is asked for. How the answer is delivered is not a part of it: streamed or not, a
 * repeated request is the same. @throws SluiceError bad_frame
 */
export const promptOfChat = ({ model, messages, ...rest }: ChatRequest): PromptBody => {
  const { stream: _stream, stream_options: _options, ...params } = rest;
  return checkPrompt({
    ...withoutNulls({ model }),
    messages: messages.map(messageOf),
    params: withoutNulls(params),
  });
};

type Message = ChatRequest['messages'][number];

const messageOf = (message: Message, index: number): Message =>
  Array.isArray(message.content)
    ? { ...message, content: withChatParts(message.content, `messages.${index}.content`) }
    : message;
