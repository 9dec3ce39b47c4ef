import { z } from 'zod';
import { json, refusals } from '../http/answers.ts';
import type { ApiRoutes } from '../http/api-routes.ts';

const modelSchema = z.looseObject({
  id: z.string(),
  object: z.literal('model'),
  created: z.int(),
  owned_by: z.string(),
});

const schema = {
  operationId: 'listModels',
  summary: 'List the models that live workers offer',
  tags: ['models'],
  response: {
    200: json('In OpenAI’s shape.', z.looseObject({ object: z.literal('list'), data: z.array(modelSchema) })),
    ...refusals,
  },
};

export const modelRoutes: ApiRoutes =
  ({ admission: { models } }) =>
  async (app) => {
    app.get('/v1/models', { schema }, async () => {
      const names = await models.models();
      // A worker announces names only: nobody here knows when a model was made.
      const data = names.map((id) => ({ id, object: 'model', created: 0, owned_by: 'sluice' }));
      return { object: 'list', data };
    });
  };
