import { MAX_PAGE_ITEMS, toItem } from '@sluice/bus';
import { idSchema, itemSchema, storeNameSchema } from '@sluice/protocol/schema';
import { checkNotDeleted } from '@sluice/lifecycle';
import { z } from 'zod';
import { openSession } from '../auth/grant.ts';
import { json, refusals } from '../http/answers.ts';
import type { ApiRoutes } from '../http/api-routes.ts';

const pageSchema = z
  .looseObject({
    rev: z.int().min(0).describe('Of the last item listed: what to ask for the next ones with.'),
    store: storeNameSchema.describe('What `rev` belongs to: to be given back with it.'),
    reset: z
      .literal(true)
      .optional()
      .describe('`after` was of another store: this is the list from its beginning.'),
    items: z.array(itemSchema),
    removed: z.array(idSchema).optional().describe('Items that were deleted since `after`.'),
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
    store: storeNameSchema.optional().describe('Which store `after` is of.'),
    limit: z.coerce.number().int().min(1).max(MAX_PAGE_ITEMS).default(MAX_PAGE_ITEMS),
  }),
  response: { 200: json('Items, those that are done with their text.', pageSchema), ...refusals },
};

export const sessionRoutes: ApiRoutes =
  ({ bus, store }) =>
  async (app) => {
    app.get('/v1/sessions/:session', { schema }, async ({ grant, params, query }) => {
      const { after, limit } = query;
      const key = openSession(grant, params.session, 'read');
      const [since] = await Promise.all([bus.sessions.items(key, after), checkNotDeleted(bus, key)]);
      // What was stored later shows that the store has reached `after`, without a look at it.
      if (since.rev > after) store.heard(since.rev);
      const isHeld = await store.holds({ rev: after, store: query.store });
      const page = isHeld ? since : await bus.sessions.items(key, 0);
      const items = page.items.slice(0, limit).map(toItem);
      const isCut = page.more || items.length < page.items.length;
      const rev = items.at(-1)?.rev ?? page.rev;
      const reset = isHeld ? {} : { reset: true };
      const removed = page.erased
        .filter((each) => isHeld && after > 0 && each.rev <= rev)
        .map(({ id }) => id);
      return {
        ...{ rev, store: store.name, ...reset, items },
        ...(removed.length === 0 ? {} : { removed }),
        ...(isCut ? { more: true } : {}),
      };
    });
  };
