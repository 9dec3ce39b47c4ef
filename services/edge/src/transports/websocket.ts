import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { BEARER_SUBPROTOCOL_PREFIX, CLOSE_CODES } from '@sluice/protocol';
import type { CloseCode } from '@sluice/protocol';
import { WebSocketServer } from 'ws';
import type { RawData, WebSocket } from 'ws';
import { bearerOf } from '../auth/bearer.ts';
import type { ClientSocket } from '../connections/client-socket.ts';
import type { EdgeContext } from '../connections/edge-context.ts';
import type { Frame } from '../feeds/frames.ts';
import type { Peer } from '../connections/peer.ts';
import type { SocketDialect } from './socket-dialect.ts';
import { progressOf, StallWatch } from './stall-watch.ts';
import { LAST_CLOSE_TIMEOUT_MS, MAX_BUFFERED_BYTES } from './transport.ts';
import type { Transport } from './transport.ts';

/** A socket that holds more than this is not written to until it has drained, bytes. */
const HIGH_WATER_BYTES = 64 * 1024;
/** How long a client may take to answer a close, ms. */
const CLOSE_TIMEOUT_MS = 5_000;
/** What a client may break one message into; the frame limit bounds its size. */
const MAX_FRAGMENTS = 64;

export type WebSocketOptions = {
  /** exact origins that browsers may connect from; empty: any */
  readonly allowedOrigins: readonly string[];
  /** what is spoken, one path each */
  readonly dialects: readonly SocketDialect[];
};

/** The WebSocket door of an edge: upgrades requests, carries frames, keeps time. */
export class WebSocketTransport implements Transport {
  readonly #context: EdgeContext;
  readonly #options: WebSocketOptions;
  readonly #server: WebSocketServer;
  readonly #sockets = new Set<OpenSocket>();
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
    this.#server.handleUpgrade(request, socket, head, (ws) => {
      const leave = this.#context.connections.enter('websocket');
      const open = new OpenSocket(ws, socket as Socket, { dialect, context: this.#context });
      this.#sockets.add(open);
      ws.once('close', () => {
        this.#sockets.delete(open);
        leave();
      });
      const token = credentialOf(request);
      if (token !== undefined) open.peer.authenticate(token);
    });
  }

  /** Called about once a second: heartbeats, stalled sockets, credentials. */
  tick(now: number): void {
    const isPingDue = now - this.#pingedAt >= this.#context.heartbeatMs;
    if (isPingDue) this.#pingedAt = now;
    for (const socket of this.#sockets) {
      socket.tick(now);
      if (isPingDue) socket.ping();
    }
  }

  /** Refuses new connections; those open are told to reconnect within `spreadMs`, and closed then. */
  async drain(spreadMs: number): Promise<void> {
    this.#accepting = false;
    const closing = [...this.#sockets].map((socket) => socket.goaway(Math.random() * spreadMs));
    await Promise.all(closing);
  }

  /** Closes every connection. Resolves when all sockets are gone: at once, but for clients that hang. */
  async close(): Promise<void> {
    this.#accepting = false;
    this.#server.close();
    await Promise.all([...this.#sockets].map((socket) => socket.shutdown(LAST_CLOSE_TIMEOUT_MS)));
  }

  #dialectAt(url: string | undefined): SocketDialect | undefined {
    return this.#options.dialects.find(({ path }) => path === url?.split('?')[0]);
  }

  #refusal({ headers }: IncomingMessage, dialect: SocketDialect): Refusal | undefined {
    const { origin } = headers;
    const { allowedOrigins } = this.#options;
    if (!this.#accepting || this.#context.connections.isFull)
      return { status: '503 Service Unavailable', reason: 'no more connections', retryAfterS: 2 };
    const { subprotocol, isOptional } = dialect;
    const offered = headers['sec-websocket-protocol'];
    const isNoneNeeded = isOptional && offered === undefined;
    if (!isNoneNeeded && !offeredProtocols(offered).includes(subprotocol))
      return { status: '400 Bad Request', reason: `expected the subprotocol ${subprotocol} to be offered` };
    if (origin !== undefined && allowedOrigins.length > 0 && !allowedOrigins.includes(origin))
      return { status: '403 Forbidden', reason: 'this origin may not connect' };
    return undefined;
  }
}

type Speaking = { readonly dialect: SocketDialect; readonly context: EdgeContext };

/** One accepted WebSocket and its peer. Frames are written to the socket as they were encoded. */
class OpenSocket implements ClientSocket {
  readonly peer: Peer<unknown>;
  readonly #ws: WebSocket;
  readonly #socket: Socket;
  readonly #context: EdgeContext;
  readonly #closed: Promise<void>;
  #missed = 0;
  readonly #stall: StallWatch;
  #goawayTimer: NodeJS.Timeout | undefined;

  constructor(ws: WebSocket, socket: Socket, { dialect, context }: Speaking) {
    this.#ws = ws;
    this.#socket = socket;
    this.#context = context;
    this.#stall = new StallWatch(context.clock.now());
    this.peer = dialect.open(randomUUID(), this, context);
    ws.on('message', (message: RawData, isBinary: boolean) => this.#onMessage(message as Buffer, isBinary));
    ws.on('pong', () => (this.#missed = 0));
    this.#closed = new Promise((resolve) => ws.once('close', () => resolve()));
    ws.on('close', () => {
      clearTimeout(this.#goawayTimer);
      this.peer.onClose();
    });
    // ws closes the socket itself after a protocol error; the close event follows.
    ws.on('error', (error) => context.logger.debug('socket_error', { connection: this.peer.id, error }));
    socket.on('drain', () => this.peer.onDrain());
  }

  get writable(): boolean {
    return this.#socket.writableLength <= HIGH_WATER_BYTES;
  }

  send({ bytes }: Frame, onTaken?: () => void): void {
    if (!this.#takes()) return;
    if (onTaken === undefined) this.#socket.write(bytes);
    else this.#socket.write(bytes, (error) => (error === undefined || error === null) && onTaken());
  }

  close(code: CloseCode, reason: string): void {
    this.#ws.close(code, reason);
  }

  ping(): void {
    if (this.#missed >= 2) return this.#cut(CLOSE_CODES.heartbeatMissed, 'no answer to two pings');
    this.#missed += 1;
    if (this.#ws.readyState === this.#ws.OPEN) this.#ws.ping();
  }

  tick(now: number): void {
    this.peer.tick(now);
    if (this.#stall.isStalled(progressOf(this.#socket), now))
      this.#cut(CLOSE_CODES.tooSlow, 'the socket did not drain');
  }

  /** Announces the close and does it after `delayMs`. Resolves when the socket is gone. */
  goaway(delayMs: number): Promise<void> {
    this.peer.goaway(Math.round(delayMs));
    this.#goawayTimer = setTimeout(() => this.#restart(), delayMs);
    return this.#closed;
  }

  /** Closes now, and without the client's answer after `timeoutMs`. Resolves when the socket is gone. */
  async shutdown(timeoutMs: number): Promise<void> {
    this.#restart();
    const timer = setTimeout(() => this.#ws.terminate(), timeoutMs);
    await this.#closed;
    clearTimeout(timer);
  }

  #restart(): void {
    this.peer.close(CLOSE_CODES.restart, 'the server restarts');
  }

  #takes(): boolean {
    if (this.#ws.readyState !== this.#ws.OPEN) return false;
    if (this.#socket.writableLength <= MAX_BUFFERED_BYTES) return true;
    this.#cut(CLOSE_CODES.tooSlow, 'too much waits');
    return false;
  }

  /** For clients that may never read a close frame: ends the TCP connection as well. */
  #cut(code: CloseCode, reason: string): void {
    this.peer.close(code, reason);
    this.#ws.terminate();
  }

  #onMessage(message: Buffer, isBinary: boolean): void {
    this.#missed = 0;
    const { maxFrameBytes } = this.#context.limits;
    if (message.length > maxFrameBytes)
      this.peer.close(CLOSE_CODES.tooLarge, `expected frames of at most ${maxFrameBytes} bytes`);
    else if (isBinary) this.peer.onBinary();
    else this.peer.onText(message.toString());
  }
}

type Refusal = { readonly status: string; readonly reason: string; readonly retryAfterS?: number };

const nowhere = (dialects: readonly SocketDialect[]): Refusal => ({
  status: '404 Not Found',
  reason: `WebSockets are at ${dialects.map(({ path }) => path).join(' and ')}`,
});

/** Answers an upgrade request with an HTTP error. */
const refuseUpgrade = (socket: Duplex, { status, reason, retryAfterS }: Refusal): void => {
  const retry = retryAfterS === undefined ? '' : `retry-after: ${retryAfterS}\r\n`;
  socket.on('error', () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-type: text/plain; charset=utf-8\r\n` +
      `content-length: ${Buffer.byteLength(reason)}\r\n${retry}\r\n${reason}`,
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
