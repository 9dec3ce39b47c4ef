import type { UiRequest } from '@sluice/core';
import { counted, freeformSchema, promptBodySchema } from '@sluice/protocol/schema';
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
});

const { model, params, lead, governor, onAbandon } = promptBodySchema.shape;
/** What an application may say of the run besides, in the SDK's `body`. */
export const chatOptionsSchema = z.object({ model, params, lead, governor, onAbandon });

type Asked = {
  readonly chat: z.infer<typeof chatSchema>;
  readonly options: z.infer<typeof chatOptionsSchema>;
  /** names this request, for one that wants another answer to the same question */
  readonly request: string;
};

export const uiRequestOf = ({ chat, options, request }: Asked): UiRequest => ({
  messages: chat.messages,
  trigger: chat.trigger,
  options: options as UiRequest['options'],
  request,
});
