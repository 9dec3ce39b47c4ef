import type { ReconnectState } from './reconnect.ts';
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
  const { attempt, reason } = state;
  switch (state.type) {
    case 'idle':
      return { type: 'connecting' };
    case 'connecting':
      return reason === undefined
        ? { type: 'connecting' }
        : { type: 'reconnecting', inMs: 0, attempt: Math.max(attempt, 1), reason };
    case 'live':
      return { type: 'live', transport };
    case 'waiting':
      return {
        type: 'reconnecting',
        inMs: Math.max(0, Math.ceil(state.until - now)),
        attempt,
        reason: reason ?? '',
      };
    case 'offline':
    case 'suspended':
      return { type: 'offline' };
    case 'closed':
      return { type: 'closed', code: state.code, reason: reason ?? '' };
  }
};

export const sameStatus = (left: Status, right: Status): boolean =>
  JSON.stringify(left) === JSON.stringify(right);
