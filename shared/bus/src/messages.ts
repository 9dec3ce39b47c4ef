/** The parsers of everything that comes over NATS, one per kind; each throws ForeignMessageError. */
import type {
  Answer,
  BodyPart,
  GenerationItem,
  MessageItem,
  OrgSettings,
  PromptBody,
  UsageRecord,
} from '@sluice/protocol';
import { parserOf } from '@sluice/protocol/schema';
import {
  bodySchemas,
  cancelReplySchema,
  controlMessageSchema,
  counterSchema,
  jobSchema,
  orgSettingsSchema,
  presenceMessageSchema,
  revocationSchema,
  runStateSchema,
  sessionCardSchema,
  statsAskSchema,
  statsMessageSchema,
  storedPromptSchema,
  usageRecordSchema,
  workerBeatSchema,
  workerInfoSchema,
} from '@sluice/protocol/schema';
import type { StoredPrompt } from './bodies/division.ts';
import type { Job } from './job-queue.ts';
import type { SessionCard, Tombstone } from './cards/session-cards.ts';
import type { StatsAsk } from './stats/stats-demand.ts';
import type { WorkerBeat, WorkerInfo } from './worker-directory.ts';

type Parser<Value> = (text: string) => Value;

export const parseBeat: Parser<WorkerBeat> = parserOf(workerBeatSchema);
/** The fields that each part of a body holds. */
export type BodyFields = {
  readonly prompt: Pick<PromptBody, 'input' | 'messages' | 'params'> & { readonly note?: object };
  readonly input: Pick<GenerationItem, 'input'>;
  readonly answer: Answer;
  readonly message: Pick<MessageItem, 'text' | 'data'>;
};

export const bodyParsers: { readonly [Part in BodyPart]: Parser<BodyFields[Part]> } = {
  prompt: parserOf(bodySchemas.prompt),
  input: parserOf(bodySchemas.input),
  answer: parserOf(bodySchemas.answer),
  message: parserOf(bodySchemas.message),
};
export const parseCard: Parser<SessionCard | Tombstone> = parserOf(sessionCardSchema);
export const parseCancelReply = parserOf(cancelReplySchema);
export const parseControl = parserOf(controlMessageSchema);
/** The value as a text of any length: whoever may add may add anything. */
export const parseCounter = parserOf(counterSchema);
export const parseJob: Parser<Job> = parserOf(jobSchema);
export const parseOrgSettings: Parser<OrgSettings> = parserOf(orgSettingsSchema);
export const parsePresence = parserOf(presenceMessageSchema);
export const parsePrompt: Parser<StoredPrompt> = parserOf(storedPromptSchema);
export const parseRevocation = parserOf(revocationSchema);
export const parseStatsAsk: Parser<StatsAsk> = parserOf(statsAskSchema);
export const parseStatsMessage = parserOf(statsMessageSchema);
export const parseRunState = parserOf(runStateSchema);
export const parseUsageRecord: Parser<UsageRecord> = parserOf(usageRecordSchema);
export const parseWorkerInfo: Parser<WorkerInfo> = parserOf(workerInfoSchema);
