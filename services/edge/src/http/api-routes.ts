import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import type { EdgeContext } from '../edge-context.ts';
import type { EventStreams } from '../transports/event-streams.ts';

/** What every route of an edge shares. */
export type HttpContext = EdgeContext & { readonly streams: EventStreams };

/** A part of the HTTP API: registers its routes. Every request has its grant by the time they see it. */
export type ApiRoutes = (context: HttpContext) => FastifyPluginAsyncZod;
