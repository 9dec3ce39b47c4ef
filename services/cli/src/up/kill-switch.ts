import { randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What may be killed, and who may ask. Each kill tells whether there was such a process. */
export type KillTargets = {
  /** whether an edge serves its pages from this origin */
  serves(origin: string): boolean;
  /** the edge that serves its pages from there */
  killEdge(origin: string): boolean;
  /** @param name as it told NATS */
  killWorker(name: string): boolean;
};

export type KillSwitch = {
  /** `http://127.0.0.1:<port>` */
  readonly origin: string;
  /** `<port>.<token>`: all that a page needs */
  readonly key: string;
  close(): Promise<void>;
};

type Answer = { readonly status: number; readonly text?: string };

const LOOPBACK = '127.0.0.1';
const TOKEN_BYTES = 32;
const WORKER_PATH = /^\/workers\/([A-Za-z0-9_-]{1,64})\/kill$/;
const DONE: Answer = { status: 204 };
const NOT_RUNNING: Answer = { status: 409, text: 'no such process runs at this moment' };

/**
 * Lets the demo's own pages kill processes of the demo: `POST /edge/kill` ends the edge that the page came from,
 * `POST /workers/<name>/kill` a worker. On loopback only, for pages of these edges only, with a token of its own.
 */
export const startKillSwitch = async (targets: KillTargets): Promise<KillSwitch> => {
  const token = randomBytes(TOKEN_BYTES).toString('hex');
  const server = createServer((request, response) => {
    request.resume();
    send(response, allow(request, response) ?? authorize(request, token) ?? obey(request, targets));
  });
  // A page elsewhere may have a name of its own resolve to this address: then the name is not ours.
  const allow = (request: IncomingMessage, response: ServerResponse): Answer | undefined => {
    const { host, origin = '' } = request.headers;
    if (host !== hostOf(server.address() as AddressInfo) || !targets.serves(origin))
      return { status: 403, text: 'only pages of the demo may ask' };
    response.setHeader('access-control-allow-origin', origin);
    response.setHeader('vary', 'origin');
    if (request.method !== 'OPTIONS') return undefined;
    response.setHeader('access-control-allow-methods', 'POST');
    response.setHeader('access-control-allow-headers', 'authorization');
    return DONE;
  };
  server.listen(0, LOOPBACK);
  await once(server, 'listening');
  const address = server.address() as AddressInfo;
  return {
    origin: `http://${hostOf(address)}`,
    key: `${address.port}.${token}`,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
};

const hostOf = ({ port }: AddressInfo): string => `${LOOPBACK}:${port}`;

const authorize = ({ headers }: IncomingMessage, token: string): Answer | undefined => {
  const expected = Buffer.from(`Bearer ${token}`);
  const given = Buffer.from(headers.authorization ?? '');
  if (given.length === expected.length && timingSafeEqual(given, expected)) return undefined;
  return { status: 401, text: 'expected the token of the link that `sluice up` printed last' };
};

const obey = ({ method, url = '', headers }: IncomingMessage, targets: KillTargets): Answer => {
  if (method !== 'POST') return { status: 405, text: 'expected POST' };
  if (url === '/edge/kill') return targets.killEdge(headers.origin ?? '') ? DONE : NOT_RUNNING;
  const worker = WORKER_PATH.exec(url)?.[1];
  if (worker === undefined) return { status: 404, text: 'expected /edge/kill or /workers/<name>/kill' };
  return targets.killWorker(worker) ? DONE : NOT_RUNNING;
};

const send = (response: ServerResponse, { status, text }: Answer): void => {
  response.writeHead(status, { 'content-type': 'text/plain', 'cache-control': 'no-store' });
  response.end(text);
};
