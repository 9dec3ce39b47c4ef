import type { UiRequest } from '@sluice/core';
import { SluiceError } from '@sluice/protocol';
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
  messages: counted(MAX_MESSAGES, z.array(messageSchema).min(1).max(MAX_MESSAGES)).optional(),
  trigger: z.enum(['submit-message', 'regenerate-message']).default('submit-message'),
  messageId: z
    .string()
    .max(MAX_MESSAGE_ID_CHARS)
    .nullish()
    .describe('With `regenerate-message` alone: the answer or question; default the newest.'),
});

/** One message alone: what was said before is in the session. */
export const newMessageSchema = messageSchema
  .nullish()
  .describe('The newest message, in place of `messages`: the session has what was said before.');

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
    callSettings: z
      .record(z.string(), freeformSchema)
      .nullish()
      .describe('The same, as assistant-ui sends it.'),
    history: z
      .literal('session')
      .nullish()
      .describe('Of `messages` only what is new is asked: the session has what was said before.'),
  })
  .catchall(freeformSchema);

/** What a chat asks for: an answer to what it says, or another one to what it asked before. */
export type ChatQuestion =
  | { readonly type: 'said'; readonly request: UiRequest }
  | {
      readonly type: 'again';
      /** the answer or the question that is meant; undefined: the newest */
      readonly message: string | undefined;
      readonly fields: UiRequest['fields'];
      readonly request: string;
    };

type Asked = {
  readonly chat: z.infer<typeof chatSchema> & { readonly message?: z.infer<typeof newMessageSchema> };
  readonly fields: UiRequest['fields'];
  /** names this request, for one that wants another answer to the same question */
  readonly request: string;
};

/** @throws SluiceError bad_frame */
export const chatQuestionOf = ({ chat, fields, request }: Asked): ChatQuestion => {
  const { messages, message, trigger, messageId } = chat;
  if (message) {
    if (messages !== undefined)
      throw new SluiceError('bad_frame', '`message`: expected alone, or `messages` with all that was said');
    const continued = { ...fields, history: 'session' };
    return { type: 'said', request: { messages: [message], trigger, fields: continued, request } };
  }
  if (messages !== undefined) return { type: 'said', request: { messages, trigger, fields, request } };
  if (trigger !== 'regenerate-message')
    throw new SluiceError('bad_frame', '`messages`: expected what was said, or the newest `message` alone');
  return { type: 'again', message: messageId ?? undefined, fields, request };
};
