import { parseGenerationId, SluiceError, withoutText } from '@sluice/protocol';
import type { GenerationItem, GenerationKey, PromptBody } from '@sluice/protocol';
import { idSchema, promptBodySchema } from '@sluice/protocol/schema';
import type { Bus } from '@sluice/bus';
import { toItem } from '@sluice/bus';
import { z } from 'zod';
import { allows, openSession } from '../auth/grant.ts';
import type { Grant, Scope } from '../auth/grant.ts';
import { cancelGeneration } from '../cancellation.ts';
import { submitPrompt } from '../prompt-submission.ts';
import type { ApiRoutes } from './api-routes.ts';

const URL = '/v1/sessions/:session/generations/:generation';
const params = z.object({ session: idSchema, generation: idSchema });
type Params = z.infer<typeof params>;

/** Start, read and cancel one generation. */
export const generationRoutes: ApiRoutes = (context) => async (app) => {
  const { bus } = context;

  app.put(URL, { schema: { params, body: promptBodySchema } }, async ({ grant, params, body }, reply) => {
    const key = keyOf(grant, params, 'prompt');
    // Nobody who only puts has to watch, so the run goes on by itself unless it was said otherwise.
    const prompt = { key, grant, body: body as PromptBody, onAbandon: 'finish' } as const;
    const created = await submitPrompt(prompt, context);
    const item = await readGeneration(key, bus);
    reply.code(created ? 201 : 200);
    return allows(grant, 'read') ? item : withoutText(item);
  });

  app.get(URL, { schema: { params } }, ({ grant, params }) =>
    readGeneration(keyOf(grant, params, 'read'), bus),
  );

  app.delete(URL, { schema: { params } }, async ({ grant, params }, reply) => {
    await cancelGeneration(keyOf(grant, params), grant, context);
    return reply.code(202).send();
  });
};

const keyOf = (grant: Grant, { session, generation }: Params, scope?: Scope): GenerationKey => ({
  ...openSession(grant, session, scope),
  generation: parseGenerationId(generation),
});

/** The generation as it is now. @throws SluiceError not_found; BusUnavailableError */
const readGeneration = async (key: GenerationKey, { sessions }: Bus): Promise<GenerationItem> => {
  const stored = await sessions.item(key, key.generation);
  const item = stored && toItem(stored);
  if (item?.kind !== 'generation') throw new SluiceError('not_found', 'no such generation');
  return item;
};
