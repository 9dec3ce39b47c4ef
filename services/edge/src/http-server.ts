import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import fastify from 'fastify';
import type { FastifyInstance } from 'fastify';
import { HEARTBEAT_MS, SluiceError } from '@sluice/protocol';
import { describeIssue } from '@sluice/protocol/schema';
import type { z } from 'zod';
import { describeRoutes, documentRoutes } from './http/api-documents.ts';
import type { HttpContext } from './http/api-routes.ts';
import { parseBodies } from './http/body-parsers.ts';
import { contentSecurityPolicy } from './http/content-security-policy.ts';
import { httpApi } from './http-api.ts';
import { errorBody } from './http/http-error.ts';
import { ORIGIN_REFUSED } from './auth/origins.ts';
import type { Origins } from './auth/origins.ts';
import { createRefuser } from './http/refuser.ts';
import { requestIdOf } from './http/request-id.ts';
import { ENVELOPE_BYTES } from './requests/admission.ts';
import { GENERATION_HEADER, SESSION_HEADER } from './openai/run-name.ts';
import { addressOf } from './transports/address.ts';
import { SOCKET_BYTES } from './transports/event-stream.ts';

export type HttpOptions = {
  /** folder of the built web pages to serve at /, absolute; undefined: none */
  readonly webDir: string | undefined;
  /** origins that those pages may send requests to besides the edge's own */
  readonly webConnect: readonly string[];
  /** of pages that may call the API besides the edge's own */
  readonly origins: Origins;
};

/** A client has this long to send the head of a request, ms. */
const HEADERS_TIMEOUT_MS = 5_000;
/** And this long for all of it, ms. */
const REQUEST_TIMEOUT_MS = 30_000;
/** A connection may be idle for this long between two requests, ms. */
const KEEP_ALIVE_MS = 72_000;
/** How often that is looked at, ms. */
const TIMEOUT_CHECK_MS = 1_000;
/** Browsers of other origins ask again whether they may after this long, seconds. */
const PREFLIGHT_MAX_AGE_S = 600;

/** Longest part of an address that is a parameter: a model's id of 200 characters, each of them encoded. */
const MAX_PARAM_CHARS = 600;

/** The public port's HTTP side: the API and the web pages. WebSocket upgrades are the caller's. */
export const createHttpServer = async (
  context: HttpContext,
  { webDir, webConnect, origins }: HttpOptions,
): Promise<FastifyInstance> => {
  const app = fastify({
    logger: false,
    serverFactory: (handle) => createPublicServer(context, handle),
    genReqId: requestIdOf,
    rewriteUrl: ({ url = '' }) => addressOf(url),
    forceCloseConnections: true,
    // A HEAD of a stream would open it.
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: MAX_PARAM_CHARS },
    bodyLimit: context.limits.maxPromptBytes + ENVELOPE_BYTES,
  });
  parseBodies(app);
  app.setValidatorCompiler(({ schema }) => validatorOf(schema as z.ZodType));
  app.setSerializerCompiler(() => (body) => JSON.stringify(body));
  app.addHook('onRequest', async (request, reply) => {
    void reply.headers({
      'x-request-id': request.id,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
    });
  });
  app.addHook('onResponse', async ({ method, routeOptions }, { statusCode }) => {
    context.tally.requests.add(`${method} ${routeOptions.url ?? 'none'} ${statusCode}`);
  });
  refuseOtherPages(app, origins);
  // Or the body of a request for nothing would be read and parsed for anybody.
  app.addHook('onRequest', async ({ is404 }) => {
    if (is404) throw nowhere();
  });
  const refuse = createRefuser(context, (refusal) => ({ body: errorBody(refusal) }));
  app.setErrorHandler(refuse);
  app.setNotFoundHandler((request, reply) => refuse(nowhere(), request, reply));
  if (origins.areListed) await allowPages(app, origins);
  await describeRoutes(app);
  await app.register(documentRoutes);
  await app.register(httpApi(context));
  await serveWebPages(app, webDir, contentSecurityPolicy(webConnect));
  return app;
};

const nowhere = (): SluiceError =>
  new SluiceError('not_found', 'nothing is here; the WebSocket is at /v1/ws');

/** Its strangers are counted before anything else sees them. */
const createPublicServer = ({ publicSockets }: HttpContext, handle: RequestListener): Server => {
  const options = {
    keepAliveTimeout: KEEP_ALIVE_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    headersTimeout: HEADERS_TIMEOUT_MS,
    connectionsCheckingInterval: TIMEOUT_CHECK_MS,
    highWaterMark: SOCKET_BYTES,
    // TCP keep-alive finds out that a waiting client is gone.
    keepAlive: true,
    keepAliveInitialDelay: HEARTBEAT_MS,
  };
  const server = createServer(options, (request, response) => {
    if (publicSockets.takeRequest(request, response)) handle(request, response);
  });
  return server.on('connection', (socket) => publicSockets.accept(socket));
};

/** The routes' schemas are zod's, as everywhere; what they refuse is told as on the WebSocket. */
const validatorOf = (schema: z.ZodType) => (value: unknown) => {
  const result = schema.safeParse(value);
  if (result.success) return { value: result.data };
  return { error: new SluiceError('bad_frame', describeIssue(result.error.issues[0])) };
};

/** A browser hides the reason from its page. The answer and the log name the setting. */
const refuseOtherPages = (app: FastifyInstance, origins: Origins): void => {
  app.addHook('onRequest', async ({ method, headers: { origin, host, ...headers } }) => {
    const isPreflight = method === 'OPTIONS' && headers['access-control-request-method'] !== undefined;
    if (!isPreflight || origin === undefined || origins.allows(origin)) return;
    origins.refused(origin, host);
    throw new SluiceError('forbidden', ORIGIN_REFUSED);
  });
};

const allowPages = async (app: FastifyInstance, origins: Origins): Promise<void> => {
  const { default: cors } = await import('@fastify/cors');
  await app.register(cors, {
    origin: (origin, done) => done(null, origin !== undefined && origins.allows(origin)),
    methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
    exposedHeaders: ['x-request-id', 'retry-after', SESSION_HEADER, GENERATION_HEADER],
    maxAge: PREFLIGHT_MAX_AGE_S,
  });
};

const serveWebPages = async (
  app: FastifyInstance,
  root: string | undefined,
  policy: string,
): Promise<void> => {
  if (root === undefined) return;
  const { default: serveStatic } = await import('@fastify/static');
  await app.register(serveStatic, {
    root,
    setHeaders: (reply) => void reply.header('content-security-policy', policy),
  });
};
