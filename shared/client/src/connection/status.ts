import type { ReconnectState } from './reconnect-state.ts';
import type { TransportKind } from '../link/transport.ts';

/** What a person may be told about the connection. Only `closed` is final. */
export type Status =
  | { readonly type: 'connecting' }
  /** `transport`: what carries it now; it may change for a better one without any other status between */
  | { readonly type: 'live'; readonly transport: TransportKind }
  /** `inMs`: ms until the next try when this status began, 0 while trying; `attempt` counts from 1 */
  | {
      readonly type: 'reconnecting';
      readonly inMs: number;
      readonly attempt: number;
      readonly reason: string;
    }
  | { readonly type: 'offline' }
  | { readonly type: 'closed'; readonly code: number; readonly reason: string };

/** @param transport the one in use, once there is one */
export const statusOf = (
  state: ReconnectState,
  now: number,
  transport: TransportKind = 'websocket',
): Status => {
  const { type, attempt, reason, until = now } = state;
  if (type === 'live') return { type, transport };
  if (type === 'closed') return { type, code: state.code, reason: reason ?? '' };
  if (type === 'offline' || type === 'suspended') return { type: 'offline' };
  if (reason === undefined) return { type: 'connecting' };
  const inMs = type === 'waiting' ? Math.max(0, Math.ceil(until - now)) : 0;
  return { type: 'reconnecting', inMs, attempt: Math.max(attempt, 1), reason };
};

export const sameStatus = (left: Status, right: Status): boolean =>
  JSON.stringify(left) === JSON.stringify(right);
