export {
  BusRefusedError,
  BusUnavailableError,
  RefusedLoginError,
  RefusedTlsError,
  StreamMismatchError,
  UnsupportedServerError,
} from './bus.ts';
export type { Bus, Link, StreamState } from './bus.ts';
export { Border, FOREIGN_KINDS } from './border.ts';
export type { ForeignKind, ForeignMessage } from './border.ts';
export type { Control, ControlListener, Presence } from './control.ts';
export type { Count, CounterName, Counters } from './counters.ts';
export { OrgWatch } from './orgs/org-watch.ts';
export type { Orgs, StoredOrgSettings } from './orgs/orgs.ts';
export type { Erasure, ErasureOptions } from './cards/erasure.ts';
export { ANY_QUEUE } from './job-queue.ts';
export type { Delivery, Job, JobQueue } from './job-queue.ts';
export { placedBus } from './placement/placed-bus.ts';
export { Placement } from './placement/placement.ts';
export type { RevocationList, Revocations } from './revocations.ts';
export { readChain, tokensOf } from './generation-chain.ts';
export type { Chain } from './generation-chain.ts';
export { ReadBudget } from './read-budget.ts';
export type { Relay } from './relay.ts';
export { isTombstone } from './cards/session-cards.ts';
export type {
  CardPage,
  ErasureMark,
  SessionCard,
  SessionCards,
  StoredCard,
  Tombstone,
} from './cards/session-cards.ts';
export { MAX_PAGE_ITEMS, RESTORE_MARK, toItem } from './session-store.ts';
export type {
  BackwardPage,
  ErasedItem,
  GenerationVersion,
  History,
  ItemBody,
  ItemPage,
  OpenGeneration,
  OpenGenerations,
  OpenPage,
  PromptEntry,
  SessionStore,
  StoredItem,
  StoreState,
} from './session-store.ts';
export type { StatsAsk, StatsDemand } from './stats/stats-demand.ts';
export { StatsPublisher } from './stats/stats-publisher.ts';
export type { StatsSource } from './stats/stats-publisher.ts';
export type { Subscription, TailListener, TokenLog } from './token-log.ts';
export { MAX_USAGE_PAGE } from './usage-ledger.ts';
export type { UsageLedger, UsagePage } from './usage-ledger.ts';
export { WORKER_ANNOUNCE_MS, WORKER_BEAT_MS, WORKER_TTL_MS } from './worker-directory.ts';
export type { RunningGeneration, WorkerBeat, WorkerDirectory, WorkerInfo } from './worker-directory.ts';
export { createMemoryBus } from './memory/memory-bus.ts';
export { createMemoryHub, hubContent } from './memory/memory-hub.ts';
export type { MemoryHub } from './memory/memory-hub.ts';
export type { NatsOptions } from './nats/connection/connection.ts';
export { openNatsRevocations } from './nats/revocations/open-revocations.ts';
export { createNatsBus } from './nats/nats-bus.ts';
export { openStreamAdmin } from './nats/streams/stream-admin.ts';
export type { StreamAdmin } from './nats/streams/stream-admin.ts';
export type { StreamPlan } from './nats/streams/stream-plan.ts';
