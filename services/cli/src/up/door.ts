import { randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { OneTimeCode } from './one-time-code.ts';

/** What may be killed, and who may ask. Each kill tells whether there was such a process. */
export type KillTargets = {
  /** whether an edge serves its pages from this origin */
  serves(origin: string): boolean;
  /** the edge that serves its pages from there */
  killEdge(origin: string): boolean;
  /** @param name as it told NATS */
  killWorker(name: string): boolean;
};

export type Door = {
  /** `http://127.0.0.1:<port>` */
  readonly origin: string;
  /** `<port>.<token>`: all that a page needs to kill */
  readonly key: string;
  /** Lets one page have this access token. @returns `<port>.<code>`, for a link */
  offer(accessToken: string): string;
  close(): Promise<void>;
};

type Answer = { readonly status: number; readonly text?: string };
type Offer = { readonly code: OneTimeCode; readonly accessToken: string };

const LOOPBACK = '127.0.0.1';
const TOKEN_BYTES = 32;
const WORKER_PATH = /^\/workers\/([A-Za-z0-9_-]{1,64})\/kill$/;
const DONE: Answer = { status: 204 };
const USED: Answer = {
  status: 410,
  text: 'This link was used already, or is older than 10 minutes. Paste a token: npx sluice token --org demo --user you',
};
const NOT_RUNNING: Answer = { status: 409, text: 'no such process runs at this moment' };

/**
 * Where the demo's own pages get what edges do not give: `POST /token` exchanges the code of the link for an access
 * token, `POST /edge/kill` ends the edge that the page came from, `POST /workers/<name>/kill` a worker. On loopback only,
 * for pages of these edges only. Killing needs a token of its own.
 */
export const startDoor = async (targets: KillTargets): Promise<Door> => {
  let offered: Offer | undefined;
  const token = randomBytes(TOKEN_BYTES).toString('hex');
  const server = createServer((request, response) => {
    request.resume();
    const exchange = (): Answer | undefined =>
      request.url === '/token' ? redeem(request, offered, key()) : undefined;
    send(
      response,
      allow(request, response) ?? exchange() ?? authorize(request, token) ?? obey(request, targets),
    );
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
  const key = (): string => `${address.port}.${token}`;
  return {
    origin: `http://${hostOf(address)}`,
    key: key(),
    offer: (accessToken) => {
      offered = { code: new OneTimeCode(Date.now()), accessToken };
      return `${address.port}.${offered.code.code}`;
    },
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

const redeem = ({ method, headers }: IncomingMessage, offered: Offer | undefined, kill: string): Answer => {
  if (method !== 'POST') return { status: 405, text: 'expected POST' };
  const [, given = ''] = /^Code (.+)$/.exec(headers.authorization ?? '') ?? [];
  if (offered?.code.use(given, Date.now()) !== true) return USED;
  return { status: 200, text: JSON.stringify({ token: offered.accessToken, kill }) };
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
