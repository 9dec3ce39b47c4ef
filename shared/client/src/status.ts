import type { ReconnectState } from './reconnect.ts';

/** What a person may be told about the connection. Only `closed` is final. */
export type Status =
  | { readonly type: 'connecting' }
  | { readonly type: 'live' }
  /** `inMs`: ms until the next try when this status began, 0 while trying; `attempt` counts from 1 */
  | {
      readonly type: 'reconnecting';
      readonly inMs: number;
      readonly attempt: number;
      readonly reason: string;
    }
  | { readonly type: 'offline' }
  | { readonly type: 'closed'; readonly code: number; readonly reason: string };

export const statusOf = (state: ReconnectState, now: number): Status => {
  const { attempt, reason } = state;
  switch (state.type) {
    case 'idle':
      return { type: 'connecting' };
    case 'connecting':
      return reason === undefined
        ? { type: 'connecting' }
        : { type: 'reconnecting', inMs: 0, attempt: Math.max(attempt, 1), reason };
    case 'live':
      return { type: 'live' };
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
