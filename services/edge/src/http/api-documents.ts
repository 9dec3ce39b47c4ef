import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { HttpPlugin } from './api-routes.ts';
import { json, refusals } from './answers.ts';
import { asyncApiDocument } from './asyncapi.ts';
import { withoutUnused } from './document-parts.ts';
import type { ApiDocument } from './document-parts.ts';

const OPENAPI: FastifyDynamicSwaggerOptions = {
  openapi: {
    openapi: '3.1.0',
    info: {
      title: 'Sluice over HTTP',
      version: '1',
      description: 'Resumable, flow-controlled LLM token streams. docs/PROTOCOL.md says what it all means.',
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ token: [] }],
    tags: [
      { name: 'generations', description: 'One model run each, named by its client.' },
      { name: 'sessions', description: 'Ordered sets of items: generations and messages.' },
      { name: 'connections', description: 'The WebSocket’s frames where no WebSocket gets through.' },
      { name: 'chats', description: 'The chat protocol of the Vercel AI SDK.' },
      { name: 'models', description: 'What live workers offer.' },
      { name: 'openai', description: 'What OpenAI’s clients speak: views of generations.' },
      { name: 'documents', description: 'This API, for machines.' },
    ],
    components: { securitySchemes: { token: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } } },
  },
  transform: jsonSchemaTransform,
  transformObject: jsonSchemaTransformObject,
};

/** Watches the routes that are registered after it: their schemas become the OpenAPI document. */
export const describeRoutes = async (app: FastifyInstance): Promise<void> => {
  const { default: swagger } = await import('@fastify/swagger');
  await app.register(swagger, OPENAPI);
};

const JSON_TYPE = 'application/json; charset=utf-8';
const documentSchema = z.looseObject({ info: z.looseObject({ title: z.string() }) });

/** The API's own description: OpenAPI of the routes, AsyncAPI of the WebSocket's frames. For anybody. */
export const documentRoutes: HttpPlugin = async (app) => {
  const schema = (operationId: string, summary: string) => ({
    ...{ operationId, summary, tags: ['documents'], security: [] },
    response: { 200: json(summary, documentSchema), ...refusals },
  });
  // Anybody may ask, so they are written once.
  const asyncApi = JSON.stringify(asyncApiDocument());
  let openApi: string | undefined;
  app.get(
    '/v1/openapi.json',
    { schema: schema('getOpenApi', 'The HTTP side as OpenAPI 3.1') },
    (_request, reply) => {
      openApi ??= JSON.stringify(withoutUnused(app.swagger() as ApiDocument));
      return reply.type(JSON_TYPE).serializer(String).send(openApi);
    },
  );
  app.get(
    '/v1/asyncapi.json',
    { schema: schema('getAsyncApi', 'The WebSocket as AsyncAPI 3.0') },
    (_request, reply) => reply.type(JSON_TYPE).serializer(String).send(asyncApi),
  );
};
