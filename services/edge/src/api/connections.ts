import type { OutgoingHttpHeaders } from 'node:http';
import { SluiceError } from '@sluice/protocol';
import { serverFrameSchemas } from '@sluice/protocol/schema';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import type { Caller, Grant } from '../auth/grant.ts';
import type { CallAnswer } from '../transports/connection-call.ts';
import { EVENT_STREAM_HEADERS } from '../transports/event-stream.ts';
import { MAX_FRAME_BYTES } from '../transports/http-connections.ts';
import { events, frames, FRAMES_TYPE, json, nothing, refusals } from '../http/answers.ts';
import type { ApiRoutes } from '../http/api-routes.ts';
import { hangUpOf } from '../http/hang-up.ts';

/** How long a poll waits for a frame, ms: below what proxies wait for an answer. */
const POLL_WAIT_MS = 25_000;

const URL = '/v1/connections';
const ONE = `${URL}/:connection`;
const tags = ['connections'];
const params = z.object({ connection: z.string().max(129) });
const after = z.coerce.number().int().min(0);

const SCHEMAS = {
  stream: {
    operationId: 'openStream',
    summary: 'Open a connection whose frames are the events of the answer',
    tags,
    response: { 200: events('`open`, then every frame, then `close`.'), ...refusals },
  },
  open: {
    operationId: 'openPolled',
    summary: 'Open a connection that is polled',
    tags,
    response: { 201: json('Its name.', serverFrameSchemas.open), ...refusals },
  },
  poll: {
    operationId: 'pollFrames',
    summary: 'Wait for the next frames',
    tags,
    params,
    querystring: z.object({
      after: after.describe('Frames received so far: the answer starts behind them.'),
    }),
    response: { 200: frames('Frames, one a line; empty after 25 s.'), ...refusals },
  },
  send: {
    operationId: 'sendFrames',
    summary: 'Send frames',
    tags,
    params,
    querystring: z.object({ after: after.describe('Frames sent before these.') }),
    consumes: [FRAMES_TYPE],
    body: z.string(),
    response: { 204: nothing('Taken; answers come as frames.'), ...refusals },
  },
  leave: {
    operationId: 'closeConnection',
    summary: 'End a connection',
    tags,
    params,
    response: { 204: nothing('Ended.'), ...refusals },
  },
} as const;

/** Connections for clients that get no WebSocket through: the same frames, see 1.6 of docs/PROTOCOL.md. */
export const connectionRoutes: ApiRoutes =
  ({ httpConnections, calls }) =>
  async (app) => {
    // Twice the limit, so that a frame somewhat too large gets its close code and reason.
    const bodyLimit = MAX_FRAME_BYTES * 2;
    app.addContentTypeParser(FRAMES_TYPE, { parseAs: 'string' }, (_request, body, done) => done(null, body));

    app.get(URL, { schema: SCHEMAS.stream }, ({ grant }, reply) => {
      httpConnections.openStream(grant, () => {
        reply.hijack();
        return reply.raw.writeHead(200, { ...headersOf(reply), ...EVENT_STREAM_HEADERS });
      });
    });

    app.post(URL, { schema: SCHEMAS.open }, ({ grant }, reply) => {
      const open = { type: 'open', connection: httpConnections.openPoll(grant) } as const;
      return reply.code(201).header('cache-control', 'no-store').send(open);
    });

    app.get(`${ONE}/frames`, { schema: SCHEMAS.poll }, async ({ grant, params, query }, reply) => {
      const caller = callerOf(grant);
      const call = { type: 'poll', ...params, ...query, waitMs: POLL_WAIT_MS, caller } as const;
      const text = bodyOf(await calls.call(call, '', hangUpOf(reply)));
      return reply.type(FRAMES_TYPE).header('cache-control', 'no-store').serializer(String).send(text);
    });

    const sending = { schema: SCHEMAS.send, bodyLimit };
    app.post(`${ONE}/frames`, sending, async ({ grant, params, query, body }, reply) => {
      bodyOf(await calls.call({ type: 'frames', ...params, ...query, caller: callerOf(grant) }, body));
      return reply.code(204).send();
    });

    app.delete(ONE, { schema: SCHEMAS.leave }, async ({ grant, params }, reply) => {
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
