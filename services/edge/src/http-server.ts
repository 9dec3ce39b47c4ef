import fastify from 'fastify';
import type { FastifyInstance } from 'fastify';

export type HttpOptions = {
  /** folder of the built web pages to serve at /, absolute; undefined: none */
  readonly webDir: string | undefined;
  /** largest request body, bytes */
  readonly maxBodyBytes: number;
};

/** Whoever connects has this long to send the head of a request, ms. */
const HEADERS_TIMEOUT_MS = 5_000;
/** How often that is looked at, ms. */
const TIMEOUT_CHECK_MS = 1_000;

/** Scripts and styles from here only; connections to here only, by WebSocket too. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self' ws: wss:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** The public port's HTTP side: the web pages. WebSocket upgrades are the caller's. */
export const createHttpServer = async ({ webDir, maxBodyBytes }: HttpOptions): Promise<FastifyInstance> => {
  const app = fastify({
    logger: false,
    forceCloseConnections: true,
    bodyLimit: maxBodyBytes,
    http: { headersTimeout: HEADERS_TIMEOUT_MS, connectionsCheckingInterval: TIMEOUT_CHECK_MS },
  });
  app.addHook('onSend', async (_request, reply) => {
    void reply.header('x-content-type-options', 'nosniff');
    void reply.header('referrer-policy', 'no-referrer');
  });
  app.setNotFoundHandler((_request, reply) => {
    void reply.code(404).type('text/plain; charset=utf-8').send('not found; the WebSocket is at /v1/ws\n');
  });
  if (webDir !== undefined) {
    const { default: serveStatic } = await import('@fastify/static');
    await app.register(serveStatic, {
      root: webDir,
      setHeaders: (reply) => void reply.header('content-security-policy', CONTENT_SECURITY_POLICY),
    });
  }
  return app;
};
