import { MAX_PAGE_ITEMS, toItem } from '@sluice/bus';
import type { Item } from '@sluice/protocol';
import { idSchema } from '@sluice/protocol/schema';
import { z } from 'zod';
import { openSession } from '../auth/grant.ts';
import type { ApiRoutes } from './api-routes.ts';

const params = z.object({ session: idSchema });
const querystring = z.object({
  after: z.coerce.number().int().min(0).default(0),
  limit: z.coerce.number().int().min(1).max(MAX_PAGE_ITEMS).default(MAX_PAGE_ITEMS),
});

/** Items of a session, oldest change first. A page that was cut goes on after its `rev`. */
export type SessionPage = { readonly rev: number; readonly items: readonly Item[]; readonly more?: true };

export const sessionRoutes: ApiRoutes =
  ({ bus }) =>
  async (app) => {
    app.get(
      '/v1/sessions/:session',
      { schema: { params, querystring } },
      async ({ grant, params, query }): Promise<SessionPage> => {
        const { after, limit } = query;
        const page = await bus.sessions.items(openSession(grant, params.session, 'read'), after);
        const items = page.items.slice(0, limit).map(toItem);
        const isCut = page.more || items.length < page.items.length;
        return { rev: items.at(-1)?.rev ?? page.rev, items, ...(isCut ? { more: true } : {}) };
      },
    );
  };
