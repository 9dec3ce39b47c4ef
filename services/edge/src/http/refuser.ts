import type { SluiceError } from '@sluice/protocol';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Grant } from '../auth/grant.ts';
import type { HttpContext } from './api-routes.ts';
import { toHttpError } from './http-error.ts';

/** How an API words its refusals: the body, and headers of its own. */
export type Wording = (refusal: SluiceError) => {
  readonly body: object;
  readonly headers?: Readonly<Record<string, string>>;
};

/** Answers requests that failed, whatever the reason, and keeps count of them. */
export const createRefuser =
  ({ logger, tally, limits }: HttpContext, wording: Wording) =>
  (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const { id, method, routeOptions } = request;
    const most = Math.min(limits.maxPromptBytes, routeOptions.bodyLimit ?? Infinity);
    const { status, headers, refusal } = toHttpError(error, most);
    if (refusal.code === 'internal')
      logger.error('request_failed', { request: id, method, route: routeOptions.url, error });
    // Refused before its token was looked at, it has no grant, whatever the type says.
    tally.orgs.of((request.grant as Grant | undefined)?.org).errors.add(refusal.code);
    const { body, headers: more = {} } = wording(refusal);
    // The framework would close under a client that still sends, which then sees a reset in place of this answer. What it
    // sends is thrown away, for as long as a request may take.
    if (refusal.code === 'too_large') reply.removeHeader('connection');
    return reply
      .code(status)
      .headers({ ...headers, ...more })
      .send(body);
  };
