import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import type { EdgeContext } from '../edge-context.ts';

/** A part of the HTTP API: registers its routes. Every request has its grant by the time they see it. */
export type ApiRoutes = (context: EdgeContext) => FastifyPluginAsyncZod;
