import { aiSdkRoutes } from './ai-sdk.ts';
import type { ApiRoutes, HttpContext, HttpPlugin } from './api-routes.ts';
import { authenticate } from './authentication.ts';
import { connectionRoutes } from './connections.ts';
import { generationEventRoutes } from './generation-events.ts';
import { generationRoutes } from './generations.ts';
import { modelRoutes } from './models.ts';
import { openAiRoutes } from './openai.ts';
import { sessionEventRoutes } from './session-events.ts';
import { sessionRoutes } from './sessions.ts';

const ROUTES: readonly ApiRoutes[] = [
  connectionRoutes,
  generationRoutes,
  generationEventRoutes,
  sessionRoutes,
  sessionEventRoutes,
  modelRoutes,
  aiSdkRoutes,
  openAiRoutes,
];

/** Everything over HTTP that needs a credential. */
export const httpApi =
  (context: HttpContext): HttpPlugin =>
  async (app) => {
    app.addHook('onRequest', authenticate(context));
    for (const routes of ROUTES) await app.register(routes(context));
  };
