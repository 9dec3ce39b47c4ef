import type { FastifyPluginAsync, FastifyTypeProvider, RawServerDefault } from 'fastify';
import type { z } from 'zod';
import type { EdgeContext } from '../connections/edge-context.ts';
import type { ConnectionCalls } from '../transports/connection-calls.ts';
import type { EventStreams } from '../transports/event-streams.ts';
import type { HttpConnections } from '../transports/http-connections.ts';

/** What every route of an edge shares. */
export type HttpContext = EdgeContext & {
  readonly streams: EventStreams;
  readonly httpConnections: HttpConnections;
  readonly calls: ConnectionCalls;
};

/** Requests have the types of their zod schemas; answers are written as they are, and judged by tests. */
interface ZodTypes extends FastifyTypeProvider {
  validator: this['schema'] extends z.ZodType ? z.output<this['schema']> : unknown;
}

export type HttpPlugin = FastifyPluginAsync<Record<never, never>, RawServerDefault, ZodTypes>;

/**
 * A part of the HTTP API: registers its routes. Every request has its grant by the time they see it.
 * A route's schema says what it takes and gives, with `operationId`, `summary`, `tags` and every
 * `response`: it checks requests, and the API's document is made of it.
 */
export type ApiRoutes = (context: HttpContext) => HttpPlugin;
