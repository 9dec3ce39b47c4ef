export { adoptGeneration } from './adopt.ts';
export { cancelGeneration } from './cancel.ts';
export type { CancelContext, CancelRequest } from './cancel.ts';
export { claimGeneration, readClaimed, seqOfLog } from './claim.ts';
export type { ClaimContext, Claimed, ClaimResult, Standing } from './claim.ts';
export { createGeneration, createMessage, repeatGeneration } from './create.ts';
export type { CreateContext, Created } from './create.ts';
export { endGeneration } from './end.ts';
export { completeErasure, deleteItem, deleteSession } from './erasure/erase.ts';
export type { EraseContext } from './erasure/erase.ts';
export { ErasureSweeper } from './erasure/erasure-sweeper.ts';
export type { ErasureSweeperDeps } from './erasure/erasure-sweeper.ts';
export { changeItem } from './item-change.ts';
export type { LifeContext } from './item-change.ts';
export { closeAccount } from './ledger.ts';
export { passOn, queueJob } from './job.ts';
export { finishGeneration, parkGeneration, recoverGeneration, requeueGeneration } from './leave.ts';
export type { Leaving } from './leave.ts';
export { recountGenerations, recountSession } from './room/recount.ts';
export type { RecountContext } from './room/recount.ts';
export { beside } from './room/reservation.ts';
export type { Reservation } from './room/reservation.ts';
export { Room } from './room/room.ts';
export type { RoomDeps } from './room/room.ts';
export { minuteOf, refusalOf, restOfMinute } from './room/limits.ts';
export type { Demand, OrgQuota, SessionLimits } from './room/limits.ts';
export {
  changeCard,
  checkNotDeleted,
  noteActivity,
  readCard,
  renameSession,
} from './erasure/session-card.ts';
export type { KnownCard, Renaming } from './erasure/session-card.ts';
export { expireSessions } from './erasure/retention.ts';
export type { Retention } from './erasure/retention.ts';
export { reviveGeneration } from './revive.ts';
export { Sweeper } from './sweeper.ts';
export type { SweeperDeps } from './sweeper.ts';
