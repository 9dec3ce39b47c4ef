import { SluiceError } from '@sluice/protocol';
import type { ErrorFrame } from '@sluice/protocol';
import { idSchema } from '@sluice/protocol/schema';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { openSession } from '../auth/grant.ts';
import type { Grant } from '../auth/grant.ts';
import { refusalOf } from '../connections/refusal.ts';
import { eventText } from '../transports/event-view.ts';
import type { EventView, Shown } from '../transports/event-view.ts';
import { events, refusals } from '../http/answers.ts';
import type { ApiRoutes, HttpContext } from '../http/api-routes.ts';
import { goawayText, lastEventHeaders as headers, retryOpening } from '../http/event-source.ts';
import { MAX_CURSOR_CHARS, StreamCursor } from './stream-cursor.ts';

const after = z.string().optional().describe('As `Last-Event-ID`, which counts if both are there.');
const sessions = z
  .string()
  .transform((text) => [...new Set(text.split(','))])
  .pipe(z.array(idSchema));

const answers = {
  200: events('The frames of the WebSocket as events of their type; ids are cursors to come back with.'),
  ...refusals,
};

const oneSchema = {
  operationId: 'getSessionEvents',
  summary: 'Follow a session: its items, then everything that happens in it',
  tags: ['sessions'],
  params: z.object({ session: idSchema }),
  headers,
  querystring: z.object({ after }),
  response: answers,
};

const severalSchema = {
  operationId: 'getEvents',
  summary: 'Follow several sessions on one stream',
  tags: ['sessions'],
  headers,
  querystring: z.object({ after, sessions: sessions.describe('Their ids, separated by commas.') }),
  response: answers,
};

/** Whole sessions as streams: one of them, or several on one stream. */
export const sessionEventRoutes: ApiRoutes = (context) => async (app) => {
  app.get(
    '/v1/sessions/:session/events',
    { schema: oneSchema },
    ({ grant, params, headers, query }, reply) => {
      const place = headers['last-event-id'] ?? query.after;
      return serve(reply, context, { grant, sessions: [params.session], after: place });
    },
  );

  app.get('/v1/events', { schema: severalSchema }, ({ grant, headers, query }, reply) => {
    const place = headers['last-event-id'] ?? query.after;
    return serve(reply, context, { grant, sessions: query.sessions, after: place });
  });
};

/** The frames of sessions as events of their type; the id is the cursor that the event leads to. */
const sessionView =
  (cursor: StreamCursor): EventView =>
  (frame, json) => {
    if (frame.type === 'goaway') return { text: goawayText(frame, json) };
    if (frame.type === 'error' && frame.code === 'session_deleted') return gone(cursor, frame, json);
    const id = cursor.apply(frame) ? cursor.toString() : undefined;
    // Of a list that nobody asked for the client gets the rest when it comes back.
    const isCut = frame.type === 'subscribed' && frame.reset === true && frame.more === true;
    if (id === undefined || id.length <= MAX_CURSOR_CHARS)
      return { text: eventText({ id, event: frame.type, data: json }), ...(isCut && { last: true }) };
    // Without an id a resume would repeat tokens, so the stream says that it cannot go on.
    const error = new SluiceError('quota_exceeded', 'too many unfinished generations for one stream');
    return { text: eventText({ event: 'error', data: JSON.stringify(refusalOf({}, error)) }), last: true };
  };

/** The last session of a stream ends it. */
const gone = (cursor: StreamCursor, { session = '' }: ErrorFrame, json: string): Shown => {
  cursor.drop(session);
  return { text: eventText({ event: 'error', data: json }), ...(cursor.isEmpty && { last: true }) };
};

type Request = {
  readonly grant: Grant;
  readonly sessions: readonly string[];
  /** the cursor to go on from; undefined: from the beginning */
  readonly after: string | undefined;
};

const serve = async (
  reply: FastifyReply,
  { streams, limits }: HttpContext,
  { grant, sessions, after }: Request,
): Promise<void> => {
  const { maxSessionsPerConnection: most } = limits;
  if (sessions.length > most) throw new SluiceError('quota_exceeded', `expected at most ${most} sessions`);
  const keys = sessions.map((session) => openSession(grant, session, 'read'));
  const cursor = new StreamCursor(sessions, after);
  const options = { grant, view: sessionView(cursor), opening: retryOpening(), resumed: 'client' } as const;
  await streams.serve(reply, options, async (stream) => {
    for (const key of keys)
      try {
        do {
          // A list that was cut goes on from where it was, as far as the client reads.
          await stream.room();
          await stream.watch(key, cursor.of(key.session));
        } while (cursor.isCut(key.session) && !stream.isOver);
      } catch (error) {
        // The others go on, whether this one was deleted before or in between.
        if (keys.length === 1 || !isDeletion(error)) throw error;
        stream.say(refusalOf({ session: key.session }, error));
      }
  });
};

const isDeletion = (error: unknown): boolean =>
  error instanceof SluiceError && error.code === 'session_deleted';
