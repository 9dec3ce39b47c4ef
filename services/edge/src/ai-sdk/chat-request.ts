import type { UiRequest } from '@sluice/core';
import { counted, freeformSchema } from '@sluice/protocol/schema';
import { z } from 'zod';

/** Longest id of a message, characters; the SDK's own have 16. */
const MAX_MESSAGE_ID_CHARS = 256;
const MAX_MESSAGES = 10_000;
const MAX_PARTS = 10_000;

const partSchema = freeformSchema.pipe(z.looseObject({ type: z.string() }));
const messageSchema = z.object({
  id: z.string().max(MAX_MESSAGE_ID_CHARS),
  role: z.enum(['system', 'user', 'assistant']),
  parts: counted(MAX_PARTS, z.array(partSchema).max(MAX_PARTS)),
});

/** What a chat says whenever it asks, whatever carries it. */
export const chatSchema = z.object({
  messages: counted(MAX_MESSAGES, z.array(messageSchema).min(1).max(MAX_MESSAGES)),
  trigger: z.enum(['submit-message', 'regenerate-message']).default('submit-message'),
  messageId: z.string().max(MAX_MESSAGE_ID_CHARS).nullish().describe('Says no more than `messages`.'),
});

/** What an application says besides, in the SDK's `body`: it is honoured, or refused by its name. */
export const chatFieldsSchema = z
  .object({
    model: z.string().nullish().describe('Default the server’s.'),
    system: z.string().nullish().describe('Said to the model before the conversation; also `instructions`.'),
    tools: z
      .union([counted(256, z.array(freeformSchema)), counted(256, z.record(z.string(), freeformSchema))])
      .nullish()
      .describe('A list as OpenAI has it, or the AI SDK’s object of tools by their names.'),
    params: z
      .record(z.string(), freeformSchema)
      .nullish()
      .describe(
        'What shapes the answer; the same fields may stand beside it, also under the AI SDK’s names.',
      ),
  })
  .catchall(freeformSchema);

type Asked = {
  readonly chat: z.infer<typeof chatSchema>;
  readonly fields: UiRequest['fields'];
  /** names this request, for one that wants another answer to the same question */
  readonly request: string;
};

export const uiRequestOf = ({ chat, fields, request }: Asked): UiRequest => ({
  messages: chat.messages,
  trigger: chat.trigger,
  fields,
  request,
});
