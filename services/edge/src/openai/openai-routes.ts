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
  // Some of the clients call every request JSON, those without a body too.
  const parse = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body: string, done) => {
    if (body === '') done(null);
    else void parse(request, body, done);
  });
  await app.register(chatCompletionRoutes(context));
  await app.register(responseRoutes(context));
};
