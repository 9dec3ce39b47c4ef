export { AckLedger } from './ack-ledger.ts';
export type { LedgerEntry } from './ack-ledger.ts';
export { ChunkWriter, isSameRecord } from './chunk-writer.ts';
export type { ClosedChunk, Draft } from './chunk-writer.ts';
export { CountsByName, CountsByOrg, LatencyCounts } from './counts.ts';
export { countCrash, countSpent, hasAdvanced, isSuspect, poisonEnd } from './crash-budget.ts';
export type { CrashCount } from './crash-budget.ts';
export { dayNamed, dayOf, nameOfDay } from './usage/days.ts';
export { refusedByRules } from './rules/engine-rules.ts';
export type { EngineRules } from './rules/engine-rules.ts';
export { OUTPUT_BOUNDS, PARAMETERS, SAMPLING_PARAMS, USUAL_PARAMS, withoutIdle } from './rules/parameters.ts';
export type { ParameterRule } from './rules/parameters.ts';
export { EngineError } from './engine.ts';
export type { Engine, EngineAsker, EngineEnd, EngineErrorCode, EngineRequest, EngineRun } from './engine.ts';
export { FairQueue, partyOf } from './fair-queue.ts';
export type { Party } from './fair-queue.ts';
export { GenerationBuffer } from './generation-buffer.ts';
export type { Slice } from './generation-buffer.ts';
export { fnv1a } from './hash.ts';
export { ItemCursor } from './item-cursor.ts';
export {
  ABANDONED_AFTER_MS,
  adopt,
  CANCELLED,
  claim,
  dueEnd,
  finish,
  markCancelled,
  park,
  requeue,
  spend,
  sweepStep,
} from './item-state.ts';
export type { OpenState, StoredGeneration, SweepStep } from './item-state.ts';
export { INITIAL_LEAD, LeadGate, MAX_LEAD, MIN_LEAD } from './lead-gate.ts';
export { placeSession, sharerOf } from './placement.ts';
export type { Seat } from './placement.ts';
export { onHeadFinding, onPublishOutcome, PUBLISH_RETRY_MS, publishStarted } from './publish-outcome.ts';
export type { HeadFinding, PublishAction, PublishOutcome, PublishState } from './publish-outcome.ts';
export { Reader } from './reader.ts';
export type { LogBounds } from './reader.ts';
export { markOf, RecentRuns } from './recent-runs.ts';
export { chunksMissing, linkedBefore } from './replay.ts';
export { RevocationIndex } from './revocation-index.ts';
export type { Bearer, StoredRevocation } from './revocation-index.ts';
export { StatsLeases } from './stats-leases.ts';
export { TranscriptWriter, transcriptOf } from './transcript.ts';
export type { Transcript } from './transcript.ts';
export { cachedTokensOf, promptTokensOf, wholeUsage } from './usage/usage.ts';
export { slotLeft, slotTaken, usageRecordOf } from './usage/usage-account.ts';
export type { UiChunk, UiDelta, UiWriter } from './ui/ui-chunk.ts';
export { latestTurns, uiMessagesOf } from './ui/ui-history.ts';
export type { UiMessage, UiPart } from './ui/ui-messages.ts';
export { uiMessageIdOf, uiPromptOf, uiQuestionIdOf, uiQuestionOf, uiRepeatOf } from './ui/ui-prompt.ts';
export type { UiPrompt, UiRequest } from './ui/ui-prompt.ts';
export { hasFailedInPassing } from './rules/passing-failure.ts';
