import { counted, describeIssue, idSchema } from '@sluice/protocol/schema';
import { z } from 'zod';
import { chatFieldsSchema, chatSchema, newMessageSchema } from './chat-request.ts';

/** What an application may send along with a request. */
const MAX_HEADERS = 100;

/** The frames of the AI SDK's WebSocketChatTransport. */
const requestId = z.string().min(1).max(256);
const headers = counted(MAX_HEADERS, z.record(z.string(), z.string())).default({});
const addressed = { requestId, id: idSchema, headers };

const sendSchema = z.object({
  type: z.literal('send'),
  ...addressed,
  ...chatSchema.shape,
  body: chatFieldsSchema.extend({ message: newMessageSchema }).default({}),
  /** of the request: the SDK sends it along, and nothing here could honour it */
  metadata: z.null('expected none: what the prompt is to say belongs in `body`').optional(),
});

const resumeSchema = z.object({
  type: z.literal('resume'),
  ...addressed,
  /**
   * Where chunks are cut depends on how fast a client reads, so their numbers do not tell where it was: every
   * resume begins with the first chunk, which is what the SDK's transport asks for.
   */
  lastSequence: z.undefined({ error: 'expected none: a resume begins with the first chunk' }).optional(),
  /** `message`: the answer that this message shows, done or not, instead of whatever runs */
  body: z.object({ message: z.string().optional() }).default({}),
});

const abortSchema = z.object({ type: z.literal('abort'), requestId });

const chatFrameSchema = z.discriminatedUnion('type', [sendSchema, resumeSchema, abortSchema]);

export type ChatFrame = z.infer<typeof chatFrameSchema>;
export type AskFrame = Exclude<ChatFrame, { readonly type: 'abort' }>;

export type ParsedChatFrame =
  | { readonly type: 'frame'; readonly frame: ChatFrame }
  /** `requestId`: whom it can be told to */
  | { readonly type: 'bad'; readonly requestId: string | undefined; readonly message: string };

/** Parses one frame. Never throws; the message names fields, never their values. */
export const parseChatFrame = (text: string): ParsedChatFrame => {
  const value = jsonOf(text);
  const parsed = chatFrameSchema.safeParse(value);
  if (parsed.success) return { type: 'frame', frame: parsed.data };
  const addressee = z.object({ requestId }).safeParse(value);
  const message = describeIssue(parsed.error.issues[0]);
  return { type: 'bad', requestId: addressee.data?.requestId, message };
};

/** As `JSON.stringify` writes it. Inside of a string its quotes would be escaped. */
const TOKEN = /"authorization"\s*:\s*"bearer +([^"\s\\]{1,8192})"/gi;

/**
 * The token of a frame of somebody unknown, found without parsing it. `headers` come behind the messages, so the last one
 * is it; whether the frame really says so is looked at once it was accepted.
 */
export const tokenIn = (text: string): string | undefined => [...text.matchAll(TOKEN)].at(-1)?.[1];

const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};
