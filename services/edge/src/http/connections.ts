import type { OutgoingHttpHeaders } from 'node:http';
import { SluiceError } from '@sluice/protocol';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import type { Caller, Grant } from '../auth/grant.ts';
import type { CallAnswer } from '../transports/connection-calls.ts';
import { EVENT_STREAM_HEADERS } from '../transports/event-stream.ts';
import type { ApiRoutes } from './api-routes.ts';
import { hangUpOf } from './hang-up.ts';

/** How long a poll waits for a frame, ms: below what proxies wait for an answer. */
const POLL_WAIT_MS = 25_000;
const FRAMES = 'application/x-ndjson';

const ONE = '/v1/connections/:connection';
const params = z.object({ connection: z.string().max(129) });
const querystring = z.object({ after: z.coerce.number().int().min(0) });

/** Connections for clients that get no WebSocket through: the same frames, see 1.6 of docs/PROTOCOL.md. */
export const connectionRoutes: ApiRoutes =
  ({ limits, httpConnections, calls }) =>
  async (app) => {
    // Twice the limit, so that a frame somewhat too large gets its close code and reason.
    const bodyLimit = limits.maxFrameBytes * 2;
    app.addContentTypeParser(FRAMES, { parseAs: 'string', bodyLimit }, (_request, body, done) =>
      done(null, body),
    );

    app.get('/v1/connections', ({ grant }, reply) => {
      httpConnections.openStream(grant, () => {
        reply.hijack();
        return reply.raw.writeHead(200, { ...headersOf(reply), ...EVENT_STREAM_HEADERS });
      });
    });

    app.post('/v1/connections', ({ grant }, reply) => {
      const open = { type: 'open', connection: httpConnections.openPoll(grant) } as const;
      return reply.code(201).header('cache-control', 'no-store').send(open);
    });

    app.get(`${ONE}/frames`, { schema: { params, querystring } }, async ({ grant, params, query }, reply) => {
      const call = {
        type: 'poll',
        ...params,
        ...query,
        waitMs: POLL_WAIT_MS,
        caller: callerOf(grant),
      } as const;
      const frames = bodyOf(await calls.call(call, '', hangUpOf(reply)));
      return reply.type(FRAMES).header('cache-control', 'no-store').serializer(String).send(frames);
    });

    app.post(
      `${ONE}/frames`,
      { schema: { params, querystring, body: z.string() } },
      async ({ grant, params, query, body }, reply) => {
        bodyOf(await calls.call({ type: 'frames', ...params, ...query, caller: callerOf(grant) }, body));
        return reply.code(204).send();
      },
    );

    app.delete(ONE, { schema: { params } }, async ({ grant, params }, reply) => {
      bodyOf(await calls.call({ type: 'leave', ...params, caller: callerOf(grant) }));
      return reply.code(204).send();
    });
  };

/** What was said about the answer already: its id, and who may read it. */
const headersOf = (reply: FastifyReply): OutgoingHttpHeaders => reply.getHeaders() as OutgoingHttpHeaders;

const callerOf = ({ user, org }: Grant): Caller => ({ user, org });

/** @throws SluiceError not_found, conflict */
const bodyOf = ({ outcome, body }: CallAnswer): string => {
  if (outcome === 'gone') throw new SluiceError('not_found', 'no such connection: open another one');
  if (outcome === 'gap')
    throw new SluiceError('conflict', 'frames are missing before `after`: open another one');
  return body;
};
