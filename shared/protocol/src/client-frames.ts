import type { PromptBody } from './items.ts';
import type { Position } from './records.ts';

/** Frames a client sends. `id`, when present, is answered by exactly one `ok` or `error` with `re`. */
type Answerable = { readonly id?: string };

export type AuthFrame = Answerable & { readonly type: 'auth'; readonly token: string };

export type SubscribeFrame = Answerable & {
  readonly type: 'subscribe';
  readonly session: string;
  readonly rev?: number;
  /** which store `rev` and `positions` are of */
  readonly store?: string;
  readonly positions?: Readonly<Record<string, Position>>;
  /** most un-acked delta frames in flight, 1..256, default 32 */
  readonly window?: number;
  readonly observe?: boolean;
};

export type UnsubscribeFrame = Answerable & { readonly type: 'unsubscribe'; readonly session: string };

export type PromptFrame = Answerable &
  PromptBody & { readonly type: 'prompt'; readonly session: string; readonly generation: string };

export type AckFrame = Answerable &
  Position & { readonly type: 'ack'; readonly session: string; readonly generation: string };

export type CancelFrame = Answerable & {
  readonly type: 'cancel';
  readonly session: string;
  readonly generation: string;
};

export type MessageFrame = Answerable & {
  readonly type: 'message';
  readonly session: string;
  readonly message: string;
  readonly text: string;
  readonly data?: unknown;
};

export type SignalSendFrame = Answerable & {
  readonly type: 'signal';
  readonly session: string;
  readonly data: unknown;
};

export type PingFrame = Answerable & { readonly type: 'ping' };

export type ClientFrame =
  | AuthFrame
  | SubscribeFrame
  | UnsubscribeFrame
  | PromptFrame
  | AckFrame
  | CancelFrame
  | MessageFrame
  | SignalSendFrame
  | PingFrame;

export const CLIENT_FRAME_TYPES = [
  'auth',
  'subscribe',
  'unsubscribe',
  'prompt',
  'ack',
  'cancel',
  'message',
  'signal',
  'ping',
] as const satisfies readonly ClientFrame['type'][];
