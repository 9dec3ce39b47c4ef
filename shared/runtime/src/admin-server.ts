import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Readiness = { readonly ready: boolean; readonly reason?: string };

export type AdminServerOptions = {
  /** 0 lets the system choose */
  readonly port: number;
  /** default 127.0.0.1: metrics name models and orgs' load, so they are for the inside */
  readonly host?: string;
  readonly registry: { readonly contentType: string; metrics(): Promise<string> };
  /** asked on each `GET /readyz`; one that throws is "not ready" */
  readonly ready: () => Readiness;
};

export type AdminServer = {
  readonly url: string;
  readonly port: number;
  /** Idempotent; open scrapes are cut. */
  close(): Promise<void>;
};

type Reply = { readonly status: number; readonly body: string; readonly contentType?: string };

const PLAIN = 'text/plain; charset=utf-8';

const readyz = (ready: () => Readiness): Reply => {
  try {
    const state = ready();
    if (state.ready) return { status: 200, body: 'ready\n' };
    return { status: 503, body: `not ready: ${state.reason ?? 'no reason given'}\n` };
  } catch (error) {
    return { status: 503, body: `not ready: ${error instanceof Error ? error.message : 'failed'}\n` };
  }
};

const scrape = async (registry: AdminServerOptions['registry']): Promise<Reply> => {
  try {
    return { status: 200, body: await registry.metrics(), contentType: registry.contentType };
  } catch {
    // A collector failed. The scraper shows the target as down, which is the alarm that is wanted.
    return { status: 500, body: 'metrics could not be collected\n' };
  }
};

const route = async (path: string, options: AdminServerOptions): Promise<Reply> => {
  if (path === '/livez') return { status: 200, body: 'live\n' };
  if (path === '/readyz') return readyz(options.ready);
  if (path === '/metrics') return scrape(options.registry);
  return { status: 404, body: 'expected /livez, /readyz or /metrics\n' };
};

const answer = async (
  request: IncomingMessage,
  response: ServerResponse,
  options: AdminServerOptions,
): Promise<void> => {
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
  const reply = isRead ? await route(path, options) : { status: 405, body: 'expected GET\n' };
  response.writeHead(reply.status, {
    'content-type': reply.contentType ?? PLAIN,
    'content-length': Buffer.byteLength(reply.body),
    'cache-control': 'no-store',
    ...(reply.status === 405 ? { allow: 'GET, HEAD' } : {}),
  });
  response.end(request.method === 'HEAD' ? undefined : reply.body);
};

const listen = (server: Server, port: number, host: string): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port));
  });

/**
 * The operators' port, apart from the public one: `GET /livez` (always 200 while the process answers), `/readyz`
 * (200 or 503 with the reason) and `/metrics` (Prometheus text).
 * @throws Error `EADDRINUSE` and its kin when it cannot listen
 */
export const startAdminServer = async (options: AdminServerOptions): Promise<AdminServer> => {
  const { host = '127.0.0.1' } = options;
  const server = createServer((request, response) => void answer(request, response, options));
  const port = await listen(server, options.port, host);
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> =>
    (closed ??= new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    }));
  return { url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`, port, close };
};
