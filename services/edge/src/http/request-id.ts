import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** What a client or a proxy may name a request by, so that its log lines and ours can be matched. */
const REQUEST_ID = /^[\w.-]{1,64}$/;

/** The request's own `x-request-id` where it is harmless, else a new one. */
export const requestIdOf = ({ headers }: Pick<IncomingMessage, 'headers'>): string => {
  const given = headers['x-request-id'];
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
};
