export { InvalidIdError, isId, parseGenerationId, parseItemId, parseOrg, parseSessionId } from './ids.ts';
export { isReadableName } from './names.ts';
export type { GenerationId, GenerationKey, ItemId, Org, SessionId, SessionKey } from './ids.ts';
export type { BodyPart, BodyRef } from './bodies.ts';
export { kindOf, partRefOf, textOf, toolOf } from './tokens.ts';
export type { MarkedToken, Part, PartRef, Token, TokenKind, ToolCall, ToolRef } from './tokens.ts';
export { ForeignMessageError, parseJson } from './foreign-message.ts';
export { isShallow } from './nesting.ts';
export type { UsageRecord } from './usage-record.ts';
export { encodeRecord, headOf, parseRecord } from './records.ts';
export type {
  End,
  EndReason,
  GenerationError,
  Position,
  Receipt,
  StoredRecord,
  TokenRecord,
  UpstreamError,
  Usage,
} from './records.ts';
export { withoutAnswer, withoutSaid, withoutText } from './items.ts';
export type {
  Answer,
  ChatMessage,
  GenerationItem,
  Governor,
  Item,
  ItemStatus,
  Lead,
  MessageItem,
  OnAbandon,
  PromptBody,
  PromptParams,
} from './items.ts';
export type { OrgSettings, Quota } from './org-settings.ts';
export { CLOSE_CODES, ERROR_CODES, isRetryable, mayReconnect, SluiceError } from './codes.ts';
export type { CloseCode, ErrorCode } from './codes.ts';
export {
  ACK_INTERVAL_MS,
  ACK_TOKENS,
  AUTH_TIMEOUT_MS,
  BEARER_SUBPROTOCOL_PREFIX,
  DEFAULT_LIMITS,
  EXPIRING_NOTICE_MS,
  HEARTBEAT_MS,
  MAX_CHUNK_TOKENS,
  MAX_GENERATION_BYTES,
  MAX_NESTING,
  MAX_RECORD_BYTES,
  MAX_TOKEN_BYTES,
  SUBPROTOCOL,
} from './limits.ts';
export type { Limits } from './limits.ts';
export { SERVER_FRAME_TYPES } from './server-frames.ts';
export type {
  CloseFrame,
  DeltaFrame,
  EndFrame,
  ErrorFrame,
  ExpiringFrame,
  GenerationState,
  GoawayFrame,
  ItemFrame,
  ListedFrame,
  RemovedFrame,
  TitleFrame,
  OkFrame,
  OpenFrame,
  PongFrame,
  PresenceFrame,
  ReadyFrame,
  ResetFrame,
  ServerFrame,
  SignalFrame,
  StateFrame,
  SubscribedFrame,
  ViewerRef,
} from './server-frames.ts';
export { CLIENT_FRAME_TYPES } from './client-frames.ts';
export type {
  AckFrame,
  AuthFrame,
  CancelFrame,
  ClientFrame,
  MessageFrame,
  PingFrame,
  PromptFrame,
  SignalSendFrame,
  SubscribeFrame,
  UnsubscribeFrame,
} from './client-frames.ts';
export type {
  CancelReply,
  ControlAck,
  ControlCancel,
  ControlMessage,
  PresenceMessage,
  RunState,
} from './control.ts';
export { REVOCABLE } from './revocations.ts';
export type { Revocation } from './revocations.ts';
export { ORG_STATS, RESERVED_PREFIX, STATS_BUCKETS_MS, STATS_INTERVAL_MS, SYSTEM_STATS } from './stats.ts';
export type {
  EdgeReport,
  RunMark,
  RunPhase,
  RunProgress,
  RunReport,
  StatsReport,
  WorkerReport,
} from './stats.ts';
