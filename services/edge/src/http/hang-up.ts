import type { FastifyReply } from 'fastify';

/** Aborted once the response is over, which before its end means that the client has hung up. */
export const hangUpOf = ({ raw }: FastifyReply): AbortSignal => {
  const gone = new AbortController();
  // It may have done so while its request was being looked at.
  if (raw.destroyed) gone.abort();
  else raw.once('close', () => gone.abort());
  return gone.signal;
};
