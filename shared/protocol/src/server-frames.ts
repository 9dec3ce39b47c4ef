import type { ErrorCode } from './codes.ts';
import type { Item } from './items.ts';
import type { Limits } from './limits.ts';
import type { End } from './records.ts';
import type { MarkedKind, PartRef, ToolRef } from './tokens.ts';

/** Frames the server sends. Fields as in docs/PROTOCOL.md. */
export type ReadyFrame = {
  readonly type: 'ready';
  readonly connection: string;
  readonly user: string;
  readonly org: string;
  /** ms since the Unix epoch */
  readonly expiresAt: number;
  readonly heartbeatMs: number;
  readonly limits: Limits;
};

export type SubscribedFrame = {
  readonly type: 'subscribed';
  readonly session: string;
  readonly rev: number;
  /** which store `rev` belongs to: to be named with it in the next `subscribe` */
  readonly store?: string;
  /** true: what the client has is of another store, so this list takes its place */
  readonly reset?: true;
  readonly viewers: number;
  /** who they are; absent in a crowd */
  readonly present?: readonly ViewerRef[];
  readonly title?: string;
  readonly items: readonly Item[];
  /** ids of items that were deleted since `rev` */
  readonly removed?: readonly string[];
  /** true: the list was cut; subscribe again with this frame's `rev` for the rest */
  readonly more?: true;
};

export type ItemFrame = {
  readonly type: 'item';
  readonly session: string;
  readonly rev: number;
  readonly item: Item;
};

/** The item is no more: somebody deleted it. */
export type RemovedFrame = {
  readonly type: 'removed';
  readonly session: string;
  readonly rev: number;
  readonly item: string;
};

/** The session was renamed; without a title it has none any more. */
export type TitleFrame = {
  readonly type: 'title';
  readonly session: string;
  readonly title?: string;
};

export type ListedFrame = {
  readonly type: 'listed';
  readonly session: string;
  readonly rev: number;
};

export type DeltaFrame = {
  readonly type: 'delta';
  readonly session: string;
  readonly generation: string;
  readonly epoch: number;
  readonly from: number;
  readonly seq: number;
  readonly text: string;
  readonly kind?: MarkedKind;
  readonly tool?: ToolRef;
  readonly part?: PartRef;
  readonly at: number;
};

export type ResetFrame = {
  readonly type: 'reset';
  readonly session: string;
  readonly generation: string;
  readonly epoch: number;
  readonly reason: string;
};

export const GENERATION_STATES = ['paused', 'parked', 'running', 'recovering', 'waiting'] as const;
export type GenerationState = (typeof GENERATION_STATES)[number];

export type StateFrame = {
  readonly type: 'state';
  readonly session: string;
  readonly generation: string;
  readonly state: GenerationState;
};

export type EndFrame = End & {
  readonly type: 'end';
  readonly session: string;
  readonly generation: string;
  readonly epoch: number;
  readonly seq: number;
};

export type ViewerRef = { readonly user: string; readonly connection: string };

export type PresenceFrame = {
  readonly type: 'presence';
  readonly session: string;
  readonly viewers: number;
  readonly joined?: ViewerRef;
  readonly left?: ViewerRef;
  /** everybody, when more than one came or went at once; absent in a crowd */
  readonly present?: readonly ViewerRef[];
};

export type SignalFrame = {
  readonly type: 'signal';
  readonly session: string;
  readonly user: string;
  readonly data: unknown;
};

export type OkFrame = {
  readonly type: 'ok';
  readonly re: string;
  readonly generation?: string;
  readonly created?: boolean;
};

export type ErrorFrame = {
  readonly type: 'error';
  readonly re?: string;
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryable: boolean;
  readonly retryAfterMs?: number;
  readonly session?: string;
  readonly generation?: string;
};

export type ExpiringFrame = { readonly type: 'expiring'; readonly expiresAt: number };
export type GoawayFrame = { readonly type: 'goaway'; readonly reconnectMs: number };
export type PongFrame = { readonly type: 'pong' };

/** Over HTTP only, before every other frame: where the client's own frames go. */
export type OpenFrame = { readonly type: 'open'; readonly connection: string };
/** Over HTTP only, after every other frame: what a WebSocket's close frame says. */
export type CloseFrame = { readonly type: 'close'; readonly code: number; readonly reason: string };

export type ServerFrame =
  | ReadyFrame
  | SubscribedFrame
  | ItemFrame
  | RemovedFrame
  | TitleFrame
  | ListedFrame
  | DeltaFrame
  | ResetFrame
  | StateFrame
  | EndFrame
  | PresenceFrame
  | SignalFrame
  | OkFrame
  | ErrorFrame
  | ExpiringFrame
  | GoawayFrame
  | PongFrame
  | OpenFrame
  | CloseFrame;

export const SERVER_FRAME_TYPES = [
  'ready',
  'subscribed',
  'item',
  'removed',
  'title',
  'listed',
  'delta',
  'reset',
  'state',
  'end',
  'presence',
  'signal',
  'ok',
  'error',
  'expiring',
  'goaway',
  'pong',
  'open',
  'close',
] as const satisfies readonly ServerFrame['type'][];
