/** The parsers of everything that comes over NATS, one per kind; each throws ForeignMessageError. */
import { parserOf } from '@sluice/protocol/schema';
import {
  cancelReplySchema,
  controlMessageSchema,
  counterSchema,
  jobSchema,
  presenceMessageSchema,
  promptEntrySchema,
  runStateSchema,
  statsAskSchema,
  statsMessageSchema,
  workerBeatSchema,
  workerInfoSchema,
} from '@sluice/protocol/schema';
import type { Job } from './job-queue.ts';
import type { PromptEntry } from './session-store.ts';
import type { StatsAsk } from './stats/stats-demand.ts';
import type { WorkerBeat, WorkerInfo } from './worker-directory.ts';

type Parser<Value> = (text: string) => Value;

export const parseBeat: Parser<WorkerBeat> = parserOf(workerBeatSchema);
export const parseCancelReply = parserOf(cancelReplySchema);
export const parseControl = parserOf(controlMessageSchema);
/** The value as a text of any length: whoever may add may add anything. */
export const parseCounter = parserOf(counterSchema);
export const parseJob: Parser<Job> = parserOf(jobSchema);
export const parsePresence = parserOf(presenceMessageSchema);
export const parsePrompt: Parser<PromptEntry> = parserOf(promptEntrySchema);
export const parseStatsAsk: Parser<StatsAsk> = parserOf(statsAskSchema);
export const parseStatsMessage = parserOf(statsMessageSchema);
export const parseRunState = parserOf(runStateSchema);
export const parseWorkerInfo: Parser<WorkerInfo> = parserOf(workerInfoSchema);
