/**
 * Zod schemas of what workers and the rest of the system leave for each other in NATS. Workers may be anybody's
 * program in any language: docs/WORKERS.md shows an example of each, and a test holds the page to these.
 */
import { z } from 'zod';
import { bodyRefSchema, count, freeformSchema, generationPlace, idSchema as id } from './basic-schema.ts';
import { RUN_STATES } from '../control.ts';
import type { CancelReply, ControlAck, ControlCancel } from '../control.ts';
import { GOVERNORS, ITEM_STATUSES } from '../items.ts';
import type { GenerationItem, MessageItem } from '../items.ts';
import { END_REASONS } from '../records.ts';
import type { TokenRecord } from '../records.ts';
import { MARKED_KINDS } from '../tokens.ts';
import type { UsageRecord } from '../usage-record.ts';

const attemptSchema = z.int().min(1);

/** A message of a job queue. */
export const jobSchema = z.object({
  ...generationPlace,
  model: z.string(),
  attempt: attemptSchema,
  user: z.string().exactOptional(),
  isOrphan: z.boolean().exactOptional(),
});

/** What the server stores for a counter, and answers to an increment. */
export const counterSchema = z.object({ val: z.string().regex(/^-?\d{1,100}$/) });

const life = { worker: id, running: z.array(z.object({ ...generationPlace, attempt: attemptSchema })) };

/** A worker's sign of life. */
export const workerBeatSchema = z.object({ ...life, isExtra: z.boolean().exactOptional() });

/** A worker's entry in the directory. */
export const workerInfoSchema = z.object({
  ...life,
  models: z.array(z.string()),
  slots: z.int().min(1),
  ownQueue: z.boolean().exactOptional(),
  sweeps: z.boolean().exactOptional(),
});

const usageSchema = z.looseObject({
  prompt_tokens: z.number().exactOptional(),
  completion_tokens: z.number().exactOptional(),
  total_tokens: z.number().exactOptional(),
  estimated: z.boolean().exactOptional(),
});

const upstreamSchema = z.object({
  status: count.exactOptional(),
  type: z.string().exactOptional(),
  code: z.string().exactOptional(),
  param: z.string().exactOptional(),
  message: z.string().exactOptional(),
  retryAfterMs: count.exactOptional(),
});

const endFields = {
  reason: z.enum(END_REASONS),
  usage: usageSchema.exactOptional(),
  error: z
    .object({ code: z.string(), message: z.string(), upstream: upstreamSchema.exactOptional() })
    .exactOptional(),
  receipt: z.object({ tokensAfterCancel: count, msToAbort: z.number() }).exactOptional(),
};

const toolSchema = z.object({
  index: count,
  id: z.string().exactOptional(),
  name: z.string().exactOptional(),
});
const partRefSchema = z.object({
  index: count,
  type: z.string().exactOptional(),
  id: z.string().exactOptional(),
});
const tokenSchema = z.union([
  z.string(),
  z.object({
    kind: z.enum(MARKED_KINDS),
    text: z.string(),
    tool: toolSchema.exactOptional(),
    part: partRefSchema.exactOptional(),
  }),
]);

/** One message of a generation's log; `parseRecord` is the same in less time. */
export const tokenRecordSchema = z.object({
  v: z.literal(2),
  epoch: count,
  attempt: attemptSchema,
  base: count,
  at: count,
  tokens: z.array(tokenSchema),
  end: z.object(endFields).exactOptional(),
}) satisfies z.ZodType<TokenRecord>;

/** A generation's item as it is stored. */
export const storedGenerationSchema = z.object({
  id,
  kind: z.literal('generation'),
  user: z.string(),
  createdAt: count,
  model: z.string(),
  input: z.string(),
  governor: z.enum(GOVERNORS),
  status: z.enum(ITEM_STATUSES),
  attempt: count,
  epoch: count,
  seq: count,
  text: z.string().exactOptional(),
  reasoning: z.string().exactOptional(),
  refusal: z.string().exactOptional(),
  toolCalls: z.array(z.object({ id: z.string(), name: z.string(), arguments: z.string() })).exactOptional(),
  parts: z
    .array(z.object({ type: z.string(), id: z.string().exactOptional(), data: freeformSchema }))
    .exactOptional(),
  preview: z.string().exactOptional(),
  bodies: z
    .object({ input: bodyRefSchema.exactOptional(), answer: bodyRefSchema.exactOptional() })
    .exactOptional(),
  reason: endFields.reason.exactOptional(),
  usage: endFields.usage,
  error: endFields.error,
  receipt: endFields.receipt,
  promptHash: z.string().exactOptional(),
  worker: id.exactOptional(),
  crashes: count.exactOptional(),
  crashSeq: count.exactOptional(),
  allCrashes: count.exactOptional(),
  parkedAt: count.exactOptional(),
  cancelledAt: count.exactOptional(),
  promptBytes: count.exactOptional(),
  traceparent: z.string().exactOptional(),
  claimedAt: count.exactOptional(),
  gpuMs: count.exactOptional(),
  savedTokens: count.exactOptional(),
  endedAt: count.exactOptional(),
}) satisfies z.ZodType<Omit<GenerationItem, 'rev'>>;

/** A line of the ledger. */
export const usageRecordSchema = z.object({
  v: z.literal(1),
  user: z.string(),
  model: z.string(),
  reason: endFields.reason,
  attempts: count,
  endedAt: count,
  promptTokens: count,
  cachedTokens: count,
  completionTokens: count,
  gpuMs: count,
  savedTokens: count,
  estimated: z.boolean().exactOptional(),
}) satisfies z.ZodType<UsageRecord>;

/** A chat line without a model run, as it is stored. */
export const storedMessageSchema = z.object({
  id,
  kind: z.literal('message'),
  user: z.string(),
  createdAt: count,
  text: z.string(),
  data: freeformSchema.exactOptional(),
  bodies: z.object({ message: bodyRefSchema.exactOptional() }).exactOptional(),
}) satisfies z.ZodType<Omit<MessageItem, 'rev'>>;

/** What edges tell the worker that runs a generation. */
export const controlAckSchema = z.object({
  type: z.literal('ack'),
  edge: z.string(),
  epoch: count,
  seq: count,
  viewers: count,
}) satisfies z.ZodType<ControlAck>;
export const controlCancelSchema = z.object({
  type: z.literal('cancel'),
  user: z.string(),
}) satisfies z.ZodType<ControlCancel>;
export const cancelReplySchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('cancelling'), attempt: attemptSchema }),
  z.object({ type: z.literal('leaving') }),
]) satisfies z.ZodType<CancelReply>;

/** What a worker says of a run in passing. */
export const runStateSchema = z.object({ state: z.enum(RUN_STATES) });
