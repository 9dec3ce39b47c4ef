import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { BEARER_SUBPROTOCOL_PREFIX } from '@sluice/protocol';
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';
import { bearerOf } from '../../auth/bearer.ts';
import { isOwnOrigin, ORIGIN_REFUSED } from '../../auth/origins.ts';
import type { Origins } from '../../auth/origins.ts';
import type { EdgeContext } from '../../connections/edge-context.ts';
import { addressOf } from '../address.ts';
import { OpenSocket } from './open-socket.ts';
import type { Opened } from './open-socket.ts';
import { OpenSockets } from './open-sockets.ts';
import type { SocketDialect } from './socket-dialect.ts';
import { LAST_CLOSE_TIMEOUT_MS } from '../transport.ts';
import type { Transport } from '../transport.ts';

/** How long a client may take to answer a close, ms. */
const CLOSE_TIMEOUT_MS = 2_000;
/** Of RFC 6455. `ws` would take 8 as well, a draft of it. */
const VERSION = '13';
/** What a client may break one message into; the frame limit bounds its size. */
const MAX_FRAGMENTS = 64;

export type WebSocketOptions = {
  /** of pages that may connect; none listed: any */
  readonly origins: Origins;
  /** what is spoken, one path each */
  readonly dialects: readonly SocketDialect[];
};

/** The WebSocket door of an edge: upgrades requests, carries frames, keeps time. */
export class WebSocketTransport implements Transport {
  readonly #context: EdgeContext;
  readonly #options: WebSocketOptions;
  readonly #server: WebSocketServer;
  readonly #sockets = new OpenSockets();
  #pingedAt = 0;
  #accepting = true;

  constructor(context: EdgeContext, options: WebSocketOptions) {
    this.#context = context;
    this.#options = options;
    this.#server = new WebSocketServer({
      noServer: true,
      perMessageDeflate: false,
      clientTracking: false,
      // Twice the limit, so that a frame somewhat too large gets our close code and its reason.
      maxPayload: context.limits.maxFrameBytes * 2,
      maxFragments: MAX_FRAGMENTS,
      // Spread, because @types/ws does not know this option yet.
      ...{ closeTimeout: CLOSE_TIMEOUT_MS },
      handleProtocols: (_offered, { url }) => this.#dialectAt(url)?.subprotocol ?? false,
    });
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const dialect = this.#dialectAt(request.url);
    if (dialect === undefined) return refuseUpgrade(socket, nowhere(this.#options.dialects));
    const refusal = this.#refusal(request, dialect);
    if (refusal !== undefined) return refuseUpgrade(socket, refusal);
    const opened = { dialect, context: this.#context, headBytes: head.length };
    this.#server.handleUpgrade(request, socket, head, (ws) => {
      const open = this.#open(ws, socket as Socket, opened);
      const token = credentialOf(request);
      if (token !== undefined) open.authenticate(token);
    });
  }

  /** Apart from the upgrade: its listeners live as long as the socket, and would keep the request alive. */
  #open(ws: WebSocket, socket: Socket, opened: Opened): OpenSocket {
    const open = new OpenSocket(ws, socket, opened);
    this.#sockets.add(ws, open);
    return open;
  }

  /** Called about once a second: heartbeats, stalled sockets, credentials. */
  tick(now: number): void {
    const isPingDue = now - this.#pingedAt >= this.#context.heartbeatMs;
    if (isPingDue) this.#pingedAt = now;
    this.#sockets.tick(now);
    if (isPingDue) this.#sockets.ping();
  }

  /** Refuses new connections; those open are told to reconnect within `spreadMs`, and closed then. */
  async drain(spreadMs: number): Promise<void> {
    this.#accepting = false;
    const closing = this.#sockets.all.map((socket) => socket.goaway(Math.random() * spreadMs));
    await Promise.all(closing);
  }

  /** Closes every connection. Resolves when all sockets are gone: at once, but for clients that hang. */
  async close(): Promise<void> {
    this.#accepting = false;
    this.#server.close();
    await Promise.all(this.#sockets.all.map((socket) => socket.shutdown(LAST_CLOSE_TIMEOUT_MS)));
  }

  #dialectAt(url: string | undefined): SocketDialect | undefined {
    const [address] = addressOf(url ?? '').split('?');
    return this.#options.dialects.find(({ path }) => path === address);
  }

  #refusal(request: IncomingMessage, dialect: SocketDialect): Refusal | undefined {
    const { headers } = request;
    const { origin } = headers;
    const { origins } = this.#options;
    const { connections, publicSockets } = this.#context;
    if (!publicSockets.takeUpgrade(request))
      return { status: '429 Too Many Requests', reason: 'too many requests', headers: { 'retry-after': 10 } };
    if (headers.host === undefined)
      return { status: '400 Bad Request', reason: 'expected the header `Host`' };
    if (headers['sec-websocket-version'] !== VERSION)
      return {
        status: '426 Upgrade Required',
        reason: `expected WebSocket version ${VERSION}`,
        headers: { upgrade: 'websocket', 'sec-websocket-version': VERSION },
      };
    if (!this.#accepting || connections.isFull)
      return {
        status: '503 Service Unavailable',
        reason: 'no more connections',
        headers: { 'retry-after': 2 },
      };
    const { subprotocol, isOptional } = dialect;
    const offered = headers['sec-websocket-protocol'];
    const isNoneNeeded = isOptional && offered === undefined;
    if (!isNoneNeeded && !offeredProtocols(offered).includes(subprotocol))
      return { status: '400 Bad Request', reason: `expected the subprotocol ${subprotocol} to be offered` };
    if (origin === undefined || !origins.areListed || origins.allows(origin)) return undefined;
    if (isOwnOrigin(origin, headers.host)) return undefined;
    origins.refused(origin, headers.host);
    return { status: '403 Forbidden', reason: ORIGIN_REFUSED };
  }
}

type Refusal = {
  readonly status: string;
  readonly reason: string;
  readonly headers?: Readonly<Record<string, string | number>>;
};

const nowhere = (dialects: readonly SocketDialect[]): Refusal => ({
  status: '404 Not Found',
  reason: `WebSockets are at ${dialects.map(({ path }) => path).join(' and ')}`,
});

/** Answers an upgrade request with an HTTP error. */
const refuseUpgrade = (socket: Duplex, { status, reason, headers = {} }: Refusal): void => {
  const more = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.on('error', () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-type: text/plain; charset=utf-8\r\n` +
      `content-length: ${Buffer.byteLength(reason)}\r\n${more.join('')}\r\n${reason}`,
    // Nobody reads what else was sent, so its end would never be seen.
    () => socket.destroy(),
  );
};

const offeredProtocols = (header: string | undefined): string[] =>
  (header ?? '').split(',').map((protocol) => protocol.trim());

/** `Authorization: Bearer` first, then the second offered subprotocol, as browsers send it. */
const credentialOf = ({ headers }: IncomingMessage): string | undefined => {
  const bearer = bearerOf(headers.authorization);
  if (bearer !== undefined) return bearer;
  const offered = offeredProtocols(headers['sec-websocket-protocol']);
  const protocol = offered.find((entry) => entry.startsWith(BEARER_SUBPROTOCOL_PREFIX));
  return protocol?.slice(BEARER_SUBPROTOCOL_PREFIX.length);
};
