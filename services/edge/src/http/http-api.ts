import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import type { EdgeContext } from '../edge-context.ts';
import type { ApiRoutes } from './api-routes.ts';
import { authenticate } from './authentication.ts';
import { generationRoutes } from './generations.ts';
import { modelRoutes } from './models.ts';
import { sessionRoutes } from './sessions.ts';

const ROUTES: readonly ApiRoutes[] = [generationRoutes, sessionRoutes, modelRoutes];

/** Everything over HTTP that needs a credential. */
export const httpApi =
  (context: EdgeContext): FastifyPluginAsyncZod =>
  async (app) => {
    app.addHook('onRequest', authenticate(context));
    for (const routes of ROUTES) await app.register(routes(context));
  };
