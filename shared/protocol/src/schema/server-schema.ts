/**
 * Zod schemas of what a server sends: what the API's documents are made of, and what tests judge answers
 * by. Loose, as every reader must be: version 1 grows by fields that an older client ignores.
 */
import { z } from 'zod';
import { ERROR_CODES } from '../codes.ts';
import { ID_PATTERN } from '../ids.ts';
import { GOVERNORS, ITEM_STATUSES } from '../items.ts';
import type { GenerationItem, Item, MessageItem } from '../items.ts';
import type { Limits } from '../limits.ts';
import { END_REASONS } from '../records.ts';
import { GENERATION_STATES } from '../server-frames.ts';
import type { ServerFrame } from '../server-frames.ts';
import { MARKED_KINDS } from '../tokens.ts';

const id = z.string().regex(ID_PATTERN);
const count = z.int().min(0);
const instant = count.describe('ms since the Unix epoch');
const endReason = z.enum(END_REASONS);

export const usageSchema = z
  .looseObject({
    prompt_tokens: z.number().exactOptional(),
    completion_tokens: z.number().exactOptional(),
    total_tokens: z.number().exactOptional(),
    estimated: z.boolean().describe('The engine did not count all of this.').exactOptional(),
  })
  .meta({ id: 'Usage', description: 'What the engine counted, in its own words beyond these.' });

/** How a generation ended: fields of its `end` and of its item alike. */
const ending = {
  usage: usageSchema.exactOptional(),
  error: z.looseObject({ code: z.string(), message: z.string() }).exactOptional(),
  receipt: z
    .looseObject({ tokensAfterCancel: count, msToAbort: z.number() })
    .describe('What stopping cost, where it was cancelled.')
    .exactOptional(),
};

const bodyRef = z.looseObject({ chunks: count, bytes: count, sha256: z.string() });

const itemShape = { id, rev: count.describe('Rises with every change in the session.'), user: z.string() };

export const generationItemSchema = z
  .looseObject({
    ...itemShape,
    kind: z.literal('generation'),
    createdAt: instant,
    model: z.string(),
    input: z
      .string()
      .describe('What the person typed, for display; only its beginning where `bodies.input` is there.'),
    governor: z.enum(GOVERNORS),
    status: z.enum(ITEM_STATUSES),
    attempt: count,
    epoch: count,
    seq: count,
    text: z
      .string()
      .describe('All of it, once it is done. In lists not where `bodies.answer` is there.')
      .exactOptional(),
    reasoning: z.string().exactOptional(),
    refusal: z.string().describe('Why the model did not answer, in its words.').exactOptional(),
    toolCalls: z
      .array(z.looseObject({ id: z.string(), name: z.string(), arguments: z.string() }))
      .exactOptional(),
    parts: z
      .array(z.looseObject({ type: z.string(), id: z.string().exactOptional(), data: z.unknown() }))
      .describe('What else the answer holds: sources, images.')
      .exactOptional(),
    preview: z.string().describe('The beginning of a text that is too large for a list.').exactOptional(),
    bodies: z
      .looseObject({ input: bodyRef.exactOptional(), answer: bodyRef.exactOptional() })
      .describe('What is too large for a list; one generation is read whole.')
      .exactOptional(),
    reason: endReason.exactOptional(),
    ...ending,
  })
  .meta({ id: 'GenerationItem' }) satisfies z.ZodType<GenerationItem>;

export const messageItemSchema = z
  .looseObject({
    ...itemShape,
    kind: z.literal('message'),
    createdAt: instant,
    text: z.string().describe('Only its beginning where `bodies.message` is there.'),
    data: z.unknown().exactOptional(),
    bodies: z.looseObject({ message: bodyRef.exactOptional() }).exactOptional(),
  })
  .meta({ id: 'MessageItem' }) satisfies z.ZodType<MessageItem>;

export const itemSchema = z
  .discriminatedUnion('kind', [generationItemSchema, messageItemSchema])
  .meta({ id: 'Item' }) satisfies z.ZodType<Item>;

export const errorCodeSchema = z.enum(ERROR_CODES).meta({ id: 'ErrorCode' });

const limits = z.looseObject({
  maxFrameBytes: count,
  maxPromptBytes: count,
  maxSignalBytes: count,
  maxFramesPerSecond: count,
  maxSessionsPerConnection: count,
  maxWindow: count,
  defaultWindow: count,
  maxItemsPerSession: count,
}) satisfies z.ZodType<Limits>;

const place = { session: id, generation: id };
const viewer = z.looseObject({ user: z.string(), connection: z.string() });
const tool = z.looseObject({
  index: count,
  id: z.string().exactOptional(),
  name: z.string().exactOptional(),
});
const part = z.looseObject({
  index: count,
  type: z.string().exactOptional(),
  id: z.string().exactOptional(),
});

type SchemaOf<Type> = z.ZodObject & z.ZodType<Extract<ServerFrame, { readonly type: Type }>>;

/** One schema per server frame. */
export const serverFrameSchemas = {
  ready: z.looseObject({
    type: z.literal('ready'),
    connection: z.string(),
    user: z.string(),
    org: z.string(),
    expiresAt: instant,
    heartbeatMs: count,
    limits,
  }),
  subscribed: z.looseObject({
    type: z.literal('subscribed'),
    session: id,
    rev: count,
    store: z.string().describe('Which store `rev` belongs to.').exactOptional(),
    reset: z.literal(true).exactOptional(),
    viewers: count,
    present: z.array(viewer).exactOptional(),
    title: z.string().exactOptional(),
    items: z.array(itemSchema),
    removed: z.array(id).describe('Items that were deleted since `rev`.').exactOptional(),
    more: z.literal(true).exactOptional(),
  }),
  item: z.looseObject({ type: z.literal('item'), session: id, rev: count, item: itemSchema }),
  removed: z.looseObject({ type: z.literal('removed'), session: id, rev: count, item: id }),
  title: z.looseObject({ type: z.literal('title'), session: id, title: z.string().exactOptional() }),
  listed: z.looseObject({ type: z.literal('listed'), session: id, rev: count }),
  delta: z.looseObject({
    type: z.literal('delta'),
    ...place,
    epoch: count,
    from: count.describe('Always the seq that the viewer had before this frame.'),
    seq: count,
    text: z.string(),
    kind: z.enum(MARKED_KINDS).exactOptional(),
    tool: tool.exactOptional(),
    part: part.exactOptional(),
    at: instant,
  }),
  reset: z.looseObject({ type: z.literal('reset'), ...place, epoch: count, reason: z.string() }),
  state: z.looseObject({
    type: z.literal('state'),
    ...place,
    state: z.enum(GENERATION_STATES),
  }),
  end: z.looseObject({
    type: z.literal('end'),
    ...place,
    epoch: count,
    seq: count,
    reason: endReason,
    ...ending,
  }),
  presence: z.looseObject({
    type: z.literal('presence'),
    session: id,
    viewers: count,
    joined: viewer.exactOptional(),
    left: viewer.exactOptional(),
    present: z.array(viewer).exactOptional(),
  }),
  signal: z.looseObject({ type: z.literal('signal'), session: id, user: z.string(), data: z.unknown() }),
  ok: z.looseObject({
    type: z.literal('ok'),
    re: z.string(),
    generation: id.exactOptional(),
    created: z.boolean().exactOptional(),
  }),
  error: z.looseObject({
    type: z.literal('error'),
    re: z.string().exactOptional(),
    code: errorCodeSchema,
    message: z.string(),
    retryable: z.boolean(),
    retryAfterMs: count.exactOptional(),
    session: z.string().exactOptional(),
    generation: z.string().exactOptional(),
  }),
  expiring: z.looseObject({ type: z.literal('expiring'), expiresAt: instant }),
  goaway: z.looseObject({ type: z.literal('goaway'), reconnectMs: count }),
  pong: z.looseObject({ type: z.literal('pong') }),
  open: z.looseObject({ type: z.literal('open'), connection: z.string() }),
  close: z.looseObject({ type: z.literal('close'), code: z.int(), reason: z.string() }),
} satisfies { readonly [Type in ServerFrame['type']]: SchemaOf<Type> };
