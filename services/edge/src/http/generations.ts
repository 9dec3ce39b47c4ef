import { withoutText } from '@sluice/protocol';
import type { PromptBody } from '@sluice/protocol';
import { promptBodySchema } from '@sluice/protocol/schema';
import { z } from 'zod';
import { allows } from '../auth/grant.ts';
import { cancelGeneration } from '../cancellation.ts';
import { readGeneration, waitForGeneration } from '../generation-wait.ts';
import { submitPrompt } from '../prompt-submission.ts';
import type { ApiRoutes } from './api-routes.ts';
import { GENERATION_URL, generationKeyOf, generationParams as params } from './generation-path.ts';
import { hangUpOf } from './hang-up.ts';

/** Longest wait for a generation's end, seconds. */
const MAX_WAIT_S = 60;

const querystring = z.object({ wait: z.coerce.number().int().min(0).max(MAX_WAIT_S).optional() });

/** Start, read and cancel one generation. */
export const generationRoutes: ApiRoutes = (context) => async (app) => {
  const { bus } = context;

  app.put(
    GENERATION_URL,
    { schema: { params, body: promptBodySchema } },
    async ({ grant, params, body }, reply) => {
      const key = generationKeyOf(grant, params, 'prompt');
      // Nobody who only puts has to watch, so the run goes on by itself unless it was said otherwise.
      const prompt = { key, grant, body: body as PromptBody, onAbandon: 'finish' } as const;
      const created = await submitPrompt(prompt, context);
      const item = await readGeneration(key, bus);
      reply.code(created ? 201 : 200);
      return allows(grant, 'read') ? item : withoutText(item);
    },
  );

  app.get(GENERATION_URL, { schema: { params, querystring } }, async ({ grant, params, query }, reply) => {
    const key = generationKeyOf(grant, params, 'read');
    if (query.wait === undefined) return readGeneration(key, bus);
    const until = AbortSignal.any([AbortSignal.timeout(query.wait * 1_000), hangUpOf(reply)]);
    return waitForGeneration(key, { grant, until }, context);
  });

  app.delete(GENERATION_URL, { schema: { params } }, async ({ grant, params }, reply) => {
    await cancelGeneration(generationKeyOf(grant, params), grant, context);
    return reply.code(202).send();
  });
};
