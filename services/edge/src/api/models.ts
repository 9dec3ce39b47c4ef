import { z } from 'zod';
import { json, refusals } from '../http/answers.ts';
import type { ApiRoutes } from '../http/api-routes.ts';
import { offeredTo } from '../requests/admission.ts';
import { modelMissing } from '../requests/missing-model.ts';

const modelSchema = z.looseObject({
  id: z.string(),
  object: z.literal('model'),
  created: z.int(),
  owned_by: z.string(),
});

const tags = ['models'];

const listSchema = {
  operationId: 'listModels',
  summary: 'List the models that can be prompted',
  tags,
  response: {
    200: json('In OpenAI’s shape.', z.looseObject({ object: z.literal('list'), data: z.array(modelSchema) })),
    ...refusals,
  },
};

const getSchema = {
  operationId: 'getModel',
  summary: 'Whether a model is there; its id may hold slashes',
  tags,
  params: z.object({ model: z.string().describe('The model’s id.') }),
  response: { 200: json('In OpenAI’s shape.', modelSchema), ...refusals },
};

/** A worker announces names only: nobody here knows when a model was made. */
const modelOf = (id: string) => ({ id, object: 'model', created: 0, owned_by: 'sluice' });

export const modelRoutes: ApiRoutes =
  ({ admission }) =>
  async (app) => {
    const { models } = admission;

    app.get('/v1/models', { schema: listSchema }, async ({ grant }) => {
      const data = offeredTo(grant.org, await models.promptable(), admission).map(modelOf);
      return { object: 'list', data };
    });

    app.get('/v1/models/:model', { schema: getSchema }, async ({ grant, params: { model } }) => {
      if (offeredTo(grant.org, await models.promptable(), admission).includes(model)) return modelOf(model);
      const there = offeredTo(grant.org, await models.modelsNow(), admission);
      if (there.includes(model)) return modelOf(model);
      throw modelMissing(model, { there, models });
    });
  };
