import type { Status } from '@sluice/client';
import { CLOSE_CODES } from '@sluice/protocol';
import type { CaughtUp } from './catch-up.ts';

/** What a person reads about the connection. */
export type LinkWords = { readonly tone: 'good' | 'busy' | 'bad'; readonly text: string };

/** The connection is gone and comes back with another token only. */
export const ACCESS_ENDED: LinkWords = { tone: 'bad', text: 'Access ended: waiting for a new token' };

/** A connection without a WebSocket works as well, but its reader should know what carries it. */
const LIVE: Readonly<Record<Extract<Status, { type: 'live' }>['transport'], string>> = {
  websocket: 'Live',
  sse: 'Live · SSE',
  poll: 'Live · polling',
};

const tokens = (count: number): string => `${count.toLocaleString('en')} token${count === 1 ? '' : 's'}`;

const closedText = (code: number, reason: string): string => {
  if (code === CLOSE_CODES.credential) return 'Signed out: the access token was refused';
  if (code === CLOSE_CODES.forbidden) return 'Disconnected: this token does not allow it';
  if (code === CLOSE_CODES.abuse) return 'Disconnected: too many requests';
  return reason === '' ? `Disconnected (${code})` : `Disconnected: ${reason}`;
};

/** @param sinceMs ms since the status began, for the countdown */
export const linkWords = (status: Status, sinceMs: number, caughtUp: CaughtUp | undefined): LinkWords => {
  switch (status.type) {
    case 'connecting':
      return { tone: 'busy', text: 'Connecting…' };
    case 'live':
      return caughtUp === undefined
        ? { tone: 'good', text: LIVE[status.transport] }
        : { tone: 'good', text: `Caught up ${tokens(caughtUp.tokens)} in ${Math.round(caughtUp.ms)} ms` };
    case 'reconnecting': {
      const leftS = Math.ceil((status.inMs - sinceMs) / 1_000);
      return { tone: 'busy', text: leftS >= 1 ? `Reconnecting in ${leftS} s` : 'Reconnecting…' };
    }
    case 'offline':
      return { tone: 'bad', text: 'Offline: goes on by itself' };
    case 'closed':
      return { tone: 'bad', text: closedText(status.code, status.reason) };
  }
};
