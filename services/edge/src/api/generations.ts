import { withoutText } from '@sluice/protocol';
import type { PromptBody } from '@sluice/protocol';
import { generationItemSchema, promptBodySchema } from '@sluice/protocol/schema';
import { z } from 'zod';
import { allows } from '../auth/grant.ts';
import { cancelFor } from '../requests/cancellation.ts';
import { readSettled, readWhole, toGeneration, waitForGeneration } from '../transports/generation-wait.ts';
import { submitPrompt } from '../requests/prompt-submission.ts';
import { json, nothing, refusals } from '../http/answers.ts';
import type { ApiRoutes } from '../http/api-routes.ts';
import { GENERATION_URL, generationKeyOf, generationParams as params } from './generation-path.ts';
import { traceparentOf } from '../http/trace-context.ts';
import { hangUpOf } from '../http/hang-up.ts';

/** Longest wait for a generation's end, seconds. */
const MAX_WAIT_S = 60;

const tags = ['generations'];

const putSchema = {
  operationId: 'putGeneration',
  summary: 'Start a generation, or find it: the id is the client’s, so repeating is harmless',
  tags,
  params,
  body: promptBodySchema,
  response: {
    201: json('Created and queued.', generationItemSchema),
    200: json('The same prompt again: the generation as it is now.', generationItemSchema),
    ...refusals,
  },
};

const wait = z.coerce.number().int().min(0).max(MAX_WAIT_S).optional();
const getSchema = {
  operationId: 'getGeneration',
  summary: 'Read a generation, if wished once it is done',
  tags,
  params,
  querystring: z.object({ wait: wait.describe('Wait for its end, at most this long, seconds.') }),
  response: { 200: json('The generation as it is now.', generationItemSchema), ...refusals },
};

const deleteSchema = {
  operationId: 'cancelFor',
  summary: 'Stop a generation; its text so far is kept',
  tags,
  params,
  response: { 202: nothing('The engine was told, or there was nothing to stop.'), ...refusals },
};

/** Start, read and cancel one generation. */
export const generationRoutes: ApiRoutes = (context) => async (app) => {
  const { bus } = context;

  app.put(GENERATION_URL, { schema: putSchema }, async ({ grant, params, body, headers }, reply) => {
    const key = generationKeyOf(grant, params, 'prompt');
    // Nobody who only puts has to watch, so the run goes on by itself unless it was said otherwise.
    const traceparent = traceparentOf(headers);
    const prompt = { key, grant, body: body as PromptBody, onAbandon: 'finish', traceparent } as const;
    const { created, stored } = await submitPrompt(prompt, context);
    const item = stored === undefined ? await readWhole(key, bus) : toGeneration(stored);
    reply.code(created ? 201 : 200);
    return allows(grant, 'read') ? item : withoutText(item);
  });

  app.get(GENERATION_URL, { schema: getSchema }, async ({ grant, params, query }, reply) => {
    const key = generationKeyOf(grant, params, 'read');
    if (query.wait === undefined) return readSettled(key, context);
    const options = { grant, gone: hangUpOf(reply), mostMs: query.wait * 1_000 };
    return waitForGeneration(key, options, context);
  });

  app.delete(GENERATION_URL, { schema: deleteSchema }, async ({ grant, params }, reply) => {
    await cancelFor(generationKeyOf(grant, params), grant, context);
    return reply.code(202).send();
  });
};
