import type { ServerResponse } from 'node:http';

/**
 * Calls `listener` once when a response is over, which before its end means that its client has hung up; never before
 * the caller's turn has ended.
 */
export const whenOver = (response: ServerResponse, listener: () => void): void => {
  // The client may have hung up while its request was being looked at: that event does not come again.
  if (response.destroyed) queueMicrotask(listener);
  else response.once('close', listener);
};
