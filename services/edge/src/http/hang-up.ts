import type { FastifyReply } from 'fastify';
import { whenOver } from '../transports/response-over.ts';

/** Aborted once the response is over, which before its end means that the client has hung up. */
export const hangUpOf = ({ raw }: FastifyReply): AbortSignal => {
  const gone = new AbortController();
  whenOver(raw, () => gone.abort());
  return gone.signal;
};
