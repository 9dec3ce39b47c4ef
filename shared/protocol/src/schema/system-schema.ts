/** Zod schemas of what edges and workers tell each other over NATS and no other program takes part in. */
import { z } from 'zod';
import { count, freeformSchema, generationPlace, idSchema, sessionPlace } from './basic-schema.ts';
import type { ControlMessage, PresenceMessage } from '../control.ts';
import { REVOCABLE } from '../revocations.ts';
import type { Revocation } from '../revocations.ts';
import { RUN_PHASES } from '../stats.ts';
import type { EdgeReport, RunReport, StatsReport, WorkerReport } from '../stats.ts';
import { controlAckSchema, controlCancelSchema } from './worker-schema.ts';

/** Of a user's name, or of a token's id. */
const MAX_REVOKED_CHARS = 1_024;

/** Whatever comes on a generation's control subject. */
export const controlMessageSchema = z.discriminatedUnion('type', [
  controlAckSchema,
  controlCancelSchema,
]) satisfies z.ZodType<ControlMessage>;

const viewer = { user: z.string(), connection: z.string() };
const presence = {
  moved: z.object({ type: z.enum(['join', 'leave']), edge: z.string(), ...viewer }),
  viewers: z.object({ type: z.literal('viewers'), edge: z.string(), viewers: z.array(z.object(viewer)) }),
  sync: z.object({ type: z.literal('sync'), edge: z.string() }),
  signal: z.object({ type: z.literal('signal'), ...viewer, data: freeformSchema }),
};

/** Who watches a session, and what they signal to each other. */
export const presenceMessageSchema = z.discriminatedUnion('type', [
  presence.moved,
  presence.viewers,
  presence.sync,
  presence.signal,
]) satisfies z.ZodType<PresenceMessage>;

/** Written by operators, with the CLI or without it. */
export const revocationSchema = z.object({
  org: sessionPlace.org,
  of: z.enum(REVOCABLE),
  id: z.string().max(MAX_REVOKED_CHARS),
  before: z.number(),
  expiresAt: z.number(),
}) satisfies z.ZodType<Revocation>;

/** An edge says that a stats session is observed there. */
export const statsAskSchema = z.object({ key: z.object(sessionPlace), isNew: z.boolean() });

/** What is listed of a session, or that it is deleted. */
export const sessionCardSchema = z.union([
  z.object({
    user: z.string(),
    createdAt: count,
    activeAt: count,
    title: z.string().exactOptional(),
  }),
  z.object({ deletedAt: count }),
]);

const mark = z.object({ phase: z.enum(RUN_PHASES), at: count, seq: count });

const runReportSchema = z.object({
  ...generationPlace,
  attempt: count,
  createdAt: z.number(),
  model: z.string(),
  by: z.string(),
  marks: z.array(mark),
  reason: z.string().exactOptional(),
  saved: z.number().exactOptional(),
}) satisfies z.ZodType<RunReport>;

const progress = z.object({
  ...generationPlace,
  attempt: count,
  made: count,
  stored: count,
  acked: count.exactOptional(),
  lead: z.number().exactOptional(),
});

const report = {
  name: idSchema,
  startedAt: z.number(),
  at: z.number(),
  runs: z.array(runReportSchema),
};
const counts = z.array(count);
const countsByName = z.record(z.string(), count);

const edgeReportSchema = z.object({
  type: z.literal('edge'),
  ...report,
  connections: count,
  sessions: count,
  viewers: count,
  unacked: count,
  delivered: count,
  acks: count,
  reconnects: count,
  errors: countsByName,
  delivery: counts,
  price: z.number().exactOptional(),
}) satisfies z.ZodType<EdgeReport>;

const workerReportSchema = z.object({
  type: z.literal('worker'),
  ...report,
  slots: count.exactOptional(),
  running: count,
  progress: z.array(progress),
  paused: count,
  parked: count,
  tokens: count,
  parks: count,
  ends: countsByName,
  saved: z.object({ stop: z.number(), park: z.number() }),
  firstToken: counts,
}) satisfies z.ZodType<WorkerReport>;

export const statsReportSchema = z.discriminatedUnion('type', [
  edgeReportSchema,
  workerReportSchema,
]) satisfies z.ZodType<StatsReport>;

/** What is said in a stats session: its signals are reports. */
export const statsMessageSchema = z.discriminatedUnion('type', [
  presence.moved,
  presence.viewers,
  presence.sync,
  presence.signal.extend({ data: statsReportSchema }),
]) satisfies z.ZodType<PresenceMessage>;
