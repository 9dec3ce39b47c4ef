import { aiSdkRoutes } from './ai-sdk/ai-sdk-routes.ts';
import type { ApiRoutes, HttpContext, HttpPlugin } from './http/api-routes.ts';
import { authenticate } from './http/authentication.ts';
import { connectionRoutes } from './api/connections.ts';
import { generationEventRoutes } from './api/generation-events.ts';
import { generationRoutes } from './api/generations.ts';
import { modelRoutes } from './api/models.ts';
import { openAiRoutes } from './openai/openai-routes.ts';
import { sessionEventRoutes } from './api/session-events.ts';
import { usageRoutes } from './api/usage.ts';
import { sessionListingRoutes } from './api/session-listing.ts';
import { sessionRoutes } from './api/sessions.ts';

const ROUTES: readonly ApiRoutes[] = [
  connectionRoutes,
  generationRoutes,
  generationEventRoutes,
  sessionRoutes,
  sessionListingRoutes,
  sessionEventRoutes,
  modelRoutes,
  usageRoutes,
  aiSdkRoutes,
  openAiRoutes,
];

/** Everything over HTTP that needs a credential. */
export const httpApi =
  (context: HttpContext): HttpPlugin =>
  async (app) => {
    app.addHook('onRequest', authenticate(context));
    app.addHook('preParsing', async ({ headers, routeOptions: { bodyLimit } }, reply) => {
      const length = Number(headers['content-length'] ?? (headers['transfer-encoding'] && bodyLimit));
      // What is above the limit is refused before any of it is read.
      if (length <= bodyLimit) context.bodyRoom.enter(reply.raw, length);
    });
    for (const routes of ROUTES) await app.register(routes(context));
  };
