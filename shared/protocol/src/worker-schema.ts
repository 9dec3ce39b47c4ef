/**
 * Zod schemas of what workers and the rest of the system leave for each other in NATS. Workers may be anybody's
 * program in any language: docs/WORKERS.md shows an example of each, and a test holds the page to these.
 */
import { z } from 'zod';
import { ID_PATTERN } from './ids.ts';
import type { GenerationId, Org, SessionId } from './ids.ts';

const id = z.string().regex(ID_PATTERN, 'expected 1-64 characters of A-Z a-z 0-9 _ -');
const count = z.int().min(0);
const place = {
  org: id.transform((org) => org as Org),
  session: id.transform((session) => session as SessionId),
  generation: id.transform((generation) => generation as GenerationId),
};

const attemptSchema = z.int().min(1);

/** A message of a job queue. */
export const jobSchema = z.object({
  ...place,
  model: z.string(),
  attempt: attemptSchema,
  isOrphan: z.boolean().optional(),
});

const life = { worker: id, running: z.array(z.object({ ...place, attempt: attemptSchema })) };

/** A worker's sign of life. */
export const workerBeatSchema = z.object({ ...life, isExtra: z.boolean().optional() });

/** A worker's entry in the directory. */
export const workerInfoSchema = z.object({
  ...life,
  models: z.array(z.string()),
  slots: z.int().min(1),
  ownQueue: z.boolean().optional(),
});

const usageSchema = z.looseObject({
  prompt_tokens: z.number().optional(),
  completion_tokens: z.number().optional(),
  total_tokens: z.number().optional(),
});

const endFields = {
  reason: z.enum(['stop', 'length', 'tool_calls', 'content_filter', 'cancelled', 'abandoned', 'error']),
  usage: usageSchema.optional(),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
  receipt: z.object({ tokensAfterCancel: count, msToAbort: z.number() }).optional(),
};

const toolSchema = z.object({ index: count, id: z.string().optional(), name: z.string().optional() });
const tokenSchema = z.union([
  z.string(),
  z.object({ kind: z.enum(['reasoning', 'tool_call']), text: z.string(), tool: toolSchema.optional() }),
]);

/** One message of a generation's log; `parseRecord` is the same in less time. */
export const tokenRecordSchema = z.object({
  v: z.literal(1),
  epoch: count,
  attempt: attemptSchema,
  base: count,
  prev: count,
  at: count,
  tokens: z.array(tokenSchema),
  end: z.object(endFields).optional(),
});

/** A generation's item as it is stored. */
export const storedGenerationSchema = z.object({
  id,
  kind: z.literal('generation'),
  user: z.string(),
  createdAt: count,
  model: z.string(),
  input: z.string(),
  governor: z.enum(['fastest', 'owner', 'slowest', 'none']),
  status: z.enum(['queued', 'running', 'parked', 'done']),
  attempt: count,
  epoch: count,
  seq: count,
  text: z.string().optional(),
  reasoning: z.string().optional(),
  toolCalls: z.array(z.object({ id: z.string(), name: z.string(), arguments: z.string() })).optional(),
  reason: endFields.reason.optional(),
  usage: endFields.usage,
  error: endFields.error,
  receipt: endFields.receipt,
  worker: id.optional(),
  crashes: count.optional(),
  crashSeq: count.optional(),
  allCrashes: count.optional(),
  parkedAt: count.optional(),
});

/** A chat line without a model run, as it is stored. */
export const storedMessageSchema = z.object({
  id,
  kind: z.literal('message'),
  user: z.string(),
  createdAt: count,
  text: z.string(),
  data: z.unknown().optional(),
});

/** What edges tell the worker that runs a generation. */
export const controlAckSchema = z.object({
  type: z.literal('ack'),
  edge: z.string(),
  epoch: count,
  seq: count,
  viewers: count,
});
export const controlCancelSchema = z.object({ type: z.literal('cancel'), user: z.string() });
export const cancelReplySchema = z.object({ type: z.literal('cancelling'), attempt: attemptSchema });

/** What a worker says of a run in passing. */
export const runStateSchema = z.object({ state: z.enum(['paused', 'running']) });
