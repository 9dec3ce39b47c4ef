import { MAX_PAGE_ITEMS, toItem } from '@sluice/bus';
import { idSchema, itemSchema } from '@sluice/protocol/schema';
import { z } from 'zod';
import { openSession } from '../auth/grant.ts';
import { json, refusals } from '../http/answers.ts';
import type { ApiRoutes } from '../http/api-routes.ts';

const pageSchema = z
  .looseObject({
    rev: z.int().min(0).describe('Of the last item listed: what to ask for the next ones with.'),
    items: z.array(itemSchema),
    more: z.literal(true).optional().describe('The list was cut.'),
  })
  .meta({ id: 'SessionPage' });

const schema = {
  operationId: 'getSession',
  summary: 'List the items of a session, oldest change first',
  tags: ['sessions'],
  params: z.object({ session: idSchema }),
  querystring: z.object({
    after: z.coerce.number().int().min(0).default(0).describe('Only items changed after this `rev`.'),
    limit: z.coerce.number().int().min(1).max(MAX_PAGE_ITEMS).default(MAX_PAGE_ITEMS),
  }),
  response: { 200: json('Items, those that are done with their text.', pageSchema), ...refusals },
};

export const sessionRoutes: ApiRoutes =
  ({ bus }) =>
  async (app) => {
    app.get('/v1/sessions/:session', { schema }, async ({ grant, params, query }) => {
      const { after, limit } = query;
      const page = await bus.sessions.items(openSession(grant, params.session, 'read'), after);
      const items = page.items.slice(0, limit).map(toItem);
      const isCut = page.more || items.length < page.items.length;
      return { rev: items.at(-1)?.rev ?? page.rev, items, ...(isCut ? { more: true } : {}) };
    });
  };
