import { isWorthRetrying, openAiError, shouldRetry } from './openai-error.ts';
import type { ApiRoutes } from '../http/api-routes.ts';
import { chatCompletionRoutes } from './chat-completions.ts';
import { createRefuser } from '../http/refuser.ts';
import type { Wording } from '../http/refuser.ts';
import { responseRoutes } from './responses.ts';

const wording: Wording = (refusal) => ({
  body: { error: openAiError(refusal) },
  headers: shouldRetry(isWorthRetrying(refusal)),
});

/** What OpenAI's own clients speak: everything here answers and refuses in its shapes. */
export const openAiRoutes: ApiRoutes = (context) => async (app) => {
  app.setErrorHandler(createRefuser(context, wording));
  await app.register(chatCompletionRoutes(context));
  await app.register(responseRoutes(context));
};
