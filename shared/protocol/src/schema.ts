/** Zod schemas of what crosses the border from a client. Kept apart: the browser SDK needs none of it. */
import { z } from 'zod';
import {
  bodyRefSchema,
  count,
  freeformSchema,
  idSchema,
  isShallowMessage,
  nameSchema,
} from './schema/basic-schema.ts';
import type { BodyPart } from './bodies.ts';
import type { AuthFrame, ClientFrame } from './client-frames.ts';
import { counted } from './schema/counted.ts';
import { ABANDON_POLICIES, GOVERNORS, LEADS } from './items.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { ForeignMessageError, parseJson } from './foreign-message.ts';
import { isShallow } from './nesting.ts';
import { storedGenerationSchema, storedMessageSchema } from './schema/worker-schema.ts';

export {
  errorCodeSchema,
  generationItemSchema,
  itemSchema,
  messageItemSchema,
  serverFrameSchemas,
  usageSchema,
} from './schema/server-schema.ts';

/** Of a prompt. */
const MAX_MESSAGES = 10_000;
const MAX_TOOLS = 256;
/** More than any session has items. What counts is how many the edge allows, which it says more politely. */
const MAX_POSITIONS = 10_000;

const answerable = { id: z.string().max(64).exactOptional() };

export { freeformSchema, idSchema, nameSchema } from './schema/basic-schema.ts';
export { counted } from './schema/counted.ts';
export { orgSettingsSchema, writtenOrgSettingsSchema } from './schema/org-schema.ts';
export {
  controlMessageSchema,
  presenceMessageSchema,
  revocationSchema,
  sessionCardSchema,
  statsAskSchema,
  statsMessageSchema,
  statsReportSchema,
} from './schema/system-schema.ts';
export {
  cancelReplySchema,
  controlAckSchema,
  controlCancelSchema,
  counterSchema,
  jobSchema,
  runStateSchema,
  storedGenerationSchema,
  storedMessageSchema,
  tokenRecordSchema,
  usageRecordSchema,
  workerBeatSchema,
  workerInfoSchema,
} from './schema/worker-schema.ts';

export const positionSchema = z.object({ epoch: count, seq: count });

export const chatMessageSchema = z
  .looseObject({
    role: z.string().min(1).max(32),
    content: z.union([z.string(), z.array(z.unknown()), z.null()]).exactOptional(),
  })
  .refine(isShallow, isShallowMessage);

/** Many clients send null for what they do not set. */
const withoutNulls = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).filter(([, field]) => field !== null))
    : value;

/** -1 and 0 are none. */
const tokenBound = z.int().min(-1).max(1_000_000);

const paramsSchema = z
  .looseObject({
    max_tokens: tokenBound.exactOptional(),
    max_completion_tokens: tokenBound.exactOptional(),
    temperature: z.number().min(0).max(100).exactOptional(),
    top_p: z.number().min(0).max(1).exactOptional(),
    seed: z.int().exactOptional(),
    stop: z.union([z.string(), counted(16, z.array(z.string()).max(16))]).exactOptional(),
    tools: counted(MAX_TOOLS, z.array(z.unknown()).max(MAX_TOOLS)).exactOptional(),
    tool_choice: z.unknown().exactOptional(),
  })
  .refine(isShallow, isShallowMessage);

export const promptParamsSchema = z.preprocess(withoutNulls, paramsSchema);

/** https://www.w3.org/TR/trace-context-1/#traceparent-header, version 00: no ids of zeros. */
export const traceparentSchema = z
  .string()
  .regex(/^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/);

const promptShape = {
  model: nameSchema(200).exactOptional(),
  input: z.string().exactOptional(),
  messages: counted(MAX_MESSAGES, z.array(chatMessageSchema).min(1).max(MAX_MESSAGES)).exactOptional(),
  history: z.literal('session').exactOptional(),
  params: promptParamsSchema.exactOptional(),
  lead: z.enum(LEADS).exactOptional(),
  governor: z.enum(GOVERNORS).exactOptional(),
  onAbandon: z.enum(ABANDON_POLICIES).exactOptional(),
  traceparent: traceparentSchema.exactOptional(),
};

const oneSource = (prompt: { input?: unknown; messages?: unknown }): boolean =>
  (prompt.input === undefined) !== (prompt.messages === undefined);
const oneSourceMessage = { error: 'expected exactly one of `input` and `messages`' };

export const promptBodySchema = z
  .object(promptShape)
  .refine(oneSource, oneSourceMessage)
  .meta({ id: 'Prompt', description: 'Exactly one of `input` and `messages`.' });

const noteSchema = z
  .object({})
  .loose()
  .refine(isShallow, isShallowMessage)
  .describe('What an edge has to tell of the request again; not for workers.');

const entryShape = {
  hash: z.string(),
  user: z.string(),
  createdAt: count,
  traceparent: traceparentSchema.exactOptional(),
  note: noteSchema.exactOptional(),
  history: z.object({ rev: count, log: count }).exactOptional(),
};

/** A prompt. `model` is filled in. */
export const promptEntrySchema = z.object({
  ...entryShape,
  body: z.object({ ...promptShape, model: z.string() }).refine(oneSource, oneSourceMessage),
});

/** The same as stored: what is too large for one message is in bodies. */
export const storedPromptSchema = z
  .object({
    ...entryShape,
    body: z.object({ ...promptShape, model: z.string() }),
    bodies: z
      .object({ prompt: bodyRefSchema.exactOptional(), input: bodyRefSchema.exactOptional() })
      .exactOptional(),
  })
  .refine(({ body, bodies }) => bodies !== undefined || oneSource(body), oneSourceMessage);

/** What each part of a body holds. */
export const bodySchemas = {
  prompt: z.object({
    input: promptShape.input,
    messages: promptShape.messages,
    params: promptShape.params,
    note: noteSchema.exactOptional(),
  }),
  input: z.object({ input: z.string() }),
  answer: storedGenerationSchema.pick({
    ...{ text: true, reasoning: true, refusal: true, toolCalls: true, parts: true },
  }),
  message: storedMessageSchema.pick({ text: true, data: true }),
} satisfies Readonly<Record<BodyPart, z.ZodObject>>;

/** Whatever a session holds. */
export const storedItemSchema = z.discriminatedUnion('kind', [storedGenerationSchema, storedMessageSchema]);

/** Names a store: opaque to clients. */
export const storeNameSchema = z.string().max(64);

/** One schema per client frame. */
export const frameSchemas = {
  auth: z.object({ type: z.literal('auth'), ...answerable, token: z.string().min(1).max(8192) }),
  subscribe: z.object({
    type: z.literal('subscribe'),
    ...answerable,
    session: idSchema,
    rev: count.exactOptional(),
    store: storeNameSchema.exactOptional(),
    positions: counted(MAX_POSITIONS, z.record(idSchema, positionSchema)).exactOptional(),
    window: z.int().min(1).max(DEFAULT_LIMITS.maxWindow).exactOptional(),
    observe: z.boolean().exactOptional(),
  }),
  unsubscribe: z.object({ type: z.literal('unsubscribe'), ...answerable, session: idSchema }),
  prompt: z
    .object({
      type: z.literal('prompt'),
      ...answerable,
      session: idSchema,
      generation: idSchema,
      ...promptShape,
    })
    .refine(oneSource, oneSourceMessage),
  ack: z.object({
    type: z.literal('ack'),
    ...answerable,
    session: idSchema,
    generation: idSchema,
    epoch: count,
    seq: count,
  }),
  cancel: z.object({ type: z.literal('cancel'), ...answerable, session: idSchema, generation: idSchema }),
  message: z.object({
    type: z.literal('message'),
    ...answerable,
    session: idSchema,
    message: idSchema,
    text: z.string(),
    data: freeformSchema.exactOptional(),
  }),
  signal: z.object({ type: z.literal('signal'), ...answerable, session: idSchema, data: freeformSchema }),
  ping: z.object({ type: z.literal('ping'), ...answerable }),
} satisfies {
  readonly [Type in ClientFrame['type']]: z.ZodType<Extract<ClientFrame, { readonly type: Type }>>;
};

export type FrameResult =
  | { readonly type: 'frame'; readonly frame: ClientFrame }
  /** `id` of the frame if it had a usable one; `knownType` false counts towards closing with 4400 */
  | {
      readonly type: 'bad';
      readonly id: string | undefined;
      readonly knownType: boolean;
      readonly message: string;
    };

const bad = (message: string, id?: unknown, knownType = false): FrameResult => ({
  type: 'bad',
  id: typeof id === 'string' && id.length <= 64 ? id : undefined,
  knownType,
  message,
});

/** Parses one client frame. Never throws; the message names fields, never their values. */
export const parseClientFrame = (text: string): FrameResult => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return bad('expected one JSON object, got text that is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return bad('expected one JSON object');
  const { type, id } = value as Record<string, unknown>;
  if (typeof type !== 'string' || !Object.hasOwn(frameSchemas, type))
    return bad('`type`: expected the name of a client frame', id);
  const parsed = frameSchemas[type as ClientFrame['type']].safeParse(value);
  if (parsed.success) return { type: 'frame', frame: parsed.data };
  return bad(describeIssue(parsed.error.issues[0]), id, true);
};

/** Whether a text is an `auth` frame, from somebody of whom nothing else is looked at. Never throws. */
export const parseAuthFrame = (text: string): AuthFrame | undefined => {
  try {
    return frameSchemas.auth.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
};

/** What is wrong with a value: names the field, never its content. */
export const describeIssue = (issue: z.core.$ZodIssue | undefined): string => {
  if (issue === undefined) return 'invalid';
  // A key that is not an id is content of the client's, so it is not echoed.
  if (issue.code === 'invalid_key') return `\`${issue.path.slice(0, -1).join('.')}\`: expected ids as keys`;
  if (issue.path.length === 0) return issue.message;
  return `\`${issue.path.map(String).join('.').slice(0, 100)}\`: ${issue.message}`;
};

const parsed = <Value>(schema: z.ZodType<Value>, value: unknown): Value => {
  const { success, data, error } = schema.safeParse(value);
  if (success) return data;
  throw new ForeignMessageError(describeIssue(error.issues[0]));
};

/**
 * A parser of messages of this shape; fields that the schema does not know are left out.
 * @returns a function that throws ForeignMessageError naming the field, never its content
 */
export const parserOf =
  <Value>(schema: z.ZodType<Value>) =>
  (text: string): Value =>
    parsed(schema, parseJson(text));

/** As {@link parserOf}, for what is written back one day: fields that the schema does not know stay. */
export const keptParserOf =
  <Value>(schema: z.ZodType<Value, Value>) =>
  (text: string): Value => {
    const value = parseJson(text);
    if (!isShallow(value)) throw new ForeignMessageError(isShallowMessage.error);
    parsed(schema, value);
    // Sound: a schema whose input is its output changes nothing.
    return value as Value;
  };
