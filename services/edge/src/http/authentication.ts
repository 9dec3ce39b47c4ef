import { SluiceError } from '@sluice/protocol';
import type { onRequestAsyncHookHandler } from 'fastify';
import { bearerOf, cookieTokenOf } from '../auth/bearer.ts';
import type { Grant } from '../auth/grant.ts';
import { CredentialError } from '../auth/verifier.ts';
import type { EdgeContext } from '../connections/edge-context.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** what the request's token allows; there in every route behind {@link authenticate} */
    grant: Grant;
  }
}

/**
 * Verifies `Authorization: Bearer`, or the cookie of an EventSource, before anything of the request is looked
 * at, and takes the request from its user's allowance. @throws SluiceError unauthorized, rate_limited; KeysUnavailableError
 */
export const authenticate =
  ({ verify, users, logger, publicSockets }: EdgeContext): onRequestAsyncHookHandler =>
  async (request) => {
    const token = bearerOf(request.headers.authorization) ?? cookieTokenOf(request.raw);
    if (token === undefined) throw new SluiceError('unauthorized', 'expected `Authorization: Bearer`');
    try {
      request.grant = await verify(token);
    } catch (error) {
      if (error instanceof CredentialError) {
        publicSockets.refused(request.raw.socket);
        logger.info('credential_refused', { request: request.id, reason: error.reason });
      }
      throw error;
    }
    publicSockets.know(request.raw.socket);
    await users.takeRequest(request.grant);
  };
