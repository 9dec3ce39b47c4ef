import { idSchema } from '@sluice/protocol/schema';
import { SluiceError } from '@sluice/protocol';
import { z } from 'zod';
import { allows, openSession } from '../auth/grant.ts';
import { json, nothing, refusals } from '../http/answers.ts';
import type { ApiRoutes } from '../http/api-routes.ts';
import { deleteItemFor, deleteSessionFor, renameFor } from '../requests/session-changes.ts';
import { listSessions } from '../requests/session-list.ts';

const MAX_TITLE_CHARS = 200;
const DEFAULT_LISTED = 20;
const MAX_LISTED = 100;

const tags = ['sessions'];
const instant = z.int().min(0).describe('ms since the Unix epoch');

const cardShape = {
  user: z.string().describe('Who created it.'),
  createdAt: instant,
  activeAt: instant.describe('When somebody last prompted, wrote or renamed, ms since the Unix epoch.'),
  title: z.string().optional(),
};

const listedSchema = z
  .looseObject({
    session: idSchema,
    ...cardShape,
    items: z.int().min(0).optional().describe('How many; absent while they are not counted.'),
    preview: z.string().optional().describe('The beginning of what was said last.'),
  })
  .meta({ id: 'ListedSession' });

const listSchema = {
  operationId: 'getSessions',
  summary: 'List the sessions that the token reaches, newest activity first',
  tags,
  querystring: z.object({
    user: z.string().optional().describe('Only sessions that this user created.'),
    after: z.coerce.number().int().min(1).optional().describe('`next` of the list before.'),
    limit: z.coerce.number().int().min(1).max(MAX_LISTED).default(DEFAULT_LISTED),
  }),
  response: {
    200: json(
      'A list may be shorter than `limit`, even empty, and still have a `next`.',
      z
        .looseObject({
          sessions: z.array(listedSchema),
          next: z.int().optional().describe('There are more: to be given as `after`.'),
        })
        .meta({ id: 'SessionList' }),
    ),
    ...refusals,
  },
};

const params = z.object({ session: idSchema });

// What is not printed could hide in a list, or forge one.
const title = z
  .string()
  .trim()
  .max(MAX_TITLE_CHARS)
  .regex(/^\P{C}*$/u, 'expected no control or invisible characters');

const renameSchema = {
  operationId: 'patchSession',
  summary: 'Rename a session',
  tags,
  params,
  body: z.object({ title: title.describe('Empty: none any more.') }),
  response: {
    200: json('As it is listed from now on.', z.looseObject({ session: idSchema, ...cardShape })),
    ...refusals,
  },
};

const deleteSchema = {
  operationId: 'deleteSession',
  summary: 'Delete a session and erase all that was said in it',
  tags,
  params,
  response: { 204: nothing('It is deleted; or it was, and the erasure is complete.'), ...refusals },
};

const deleteItemSchema = {
  operationId: 'deleteItem',
  summary: 'Delete an item of a session and erase all that was said in it',
  tags,
  params: z.object({ session: idSchema, item: idSchema }),
  response: { 204: nothing('It is deleted; or it was, and the erasure is complete.'), ...refusals },
};

/** Sessions as things: list, rename and delete them. */
export const sessionListingRoutes: ApiRoutes = (context) => async (app) => {
  const { bus, clock, tombstoneMs } = context;
  const erasing = { bus, clock, tombstoneMs };

  app.get('/v1/sessions', { schema: listSchema }, async ({ grant, query }) => {
    if (!allows(grant, 'read')) throw new SluiceError('forbidden', 'expected scope `read`');
    const { sessions, next } = await listSessions({ grant, ...query }, bus);
    return { sessions, ...(next === undefined ? {} : { next }) };
  });

  app.patch('/v1/sessions/:session', { schema: renameSchema }, async ({ grant, params, body }) => {
    const key = openSession(grant, params.session);
    const card = await renameFor(key, grant, body.title === '' ? undefined : body.title, erasing);
    return { session: key.session, ...card };
  });

  app.delete('/v1/sessions/:session', { schema: deleteSchema }, async ({ grant, params }, reply) => {
    await deleteSessionFor(openSession(grant, params.session), grant, erasing);
    return reply.code(204).send();
  });

  app.delete(
    '/v1/sessions/:session/items/:item',
    { schema: deleteItemSchema },
    async ({ grant, params }, reply) => {
      await deleteItemFor(openSession(grant, params.session), params.item, grant, erasing);
      return reply.code(204).send();
    },
  );
};
