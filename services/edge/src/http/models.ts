import type { ApiRoutes } from './api-routes.ts';

/** The models that live workers offer, in OpenAI's shape. */
export const modelRoutes: ApiRoutes =
  ({ admission: { models } }) =>
  async (app) => {
    app.get('/v1/models', async () => {
      const names = await models.models();
      // A worker announces names only: nobody here knows when a model was made.
      const data = names.map((id) => ({ id, object: 'model', created: 0, owned_by: 'sluice' }));
      return { object: 'list', data };
    });
  };
