import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { BEARER_SUBPROTOCOL_PREFIX, CLOSE_CODES, SUBPROTOCOL } from '@sluice/protocol';
import type { CloseCode } from '@sluice/protocol';
import { WebSocketServer } from 'ws';
import type { RawData, WebSocket } from 'ws';
import { Connection } from '../connection.ts';
import type { ConnectionSocket } from '../connection.ts';
import type { EdgeContext } from '../edge-context.ts';
import type { Frame } from '../frames.ts';

/** A socket that holds more than this is not written to until it has drained, bytes. */
const HIGH_WATER_BYTES = 64 * 1024;
/** A socket that does not drain at all for this long is closed, ms. */
const STALL_MS = 60_000;
/** What a client may break one message into; the frame limit bounds its size. */
const MAX_FRAGMENTS = 64;

export type WebSocketOptions = {
  readonly maxConnections: number;
  /** exact origins that browsers may connect from; empty: any */
  readonly allowedOrigins: readonly string[];
};

/** The WebSocket door of an edge: upgrades requests, carries frames, keeps time. */
export class WebSocketTransport {
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
      handleProtocols: () => SUBPROTOCOL,
    });
  }

  get connections(): number {
    return this.#sockets.size;
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const refusal = this.#refusal(request);
    if (refusal !== undefined) return refuse(socket, refusal);
    this.#server.handleUpgrade(request, socket, head, (ws) => {
      const open = new OpenSocket(ws, socket, this.#context, () => this.#sockets.delete(open));
      this.#sockets.add(open);
      const token = credentialOf(request);
      if (token !== undefined) void open.connection.authenticate(token);
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

  close(): void {
    this.#accepting = false;
    for (const socket of this.#sockets) socket.close(CLOSE_CODES.restart, 'the server restarts');
    this.#server.close();
  }

  #refusal({ headers }: IncomingMessage): Refusal | undefined {
    const { origin } = headers;
    const { allowedOrigins, maxConnections } = this.#options;
    if (!this.#accepting || this.#sockets.size >= maxConnections)
      return { status: '503 Service Unavailable', reason: 'no more connections', retryAfterS: 2 };
    if (!offeredProtocols(headers['sec-websocket-protocol']).includes(SUBPROTOCOL))
      return { status: '400 Bad Request', reason: `expected the subprotocol ${SUBPROTOCOL} to be offered` };
    if (origin !== undefined && allowedOrigins.length > 0 && !allowedOrigins.includes(origin))
      return { status: '403 Forbidden', reason: 'this origin may not connect' };
    return undefined;
  }
}

/** One accepted WebSocket and its connection. Frames are written to the socket as they were encoded. */
class OpenSocket implements ConnectionSocket {
  readonly connection: Connection;
  readonly #ws: WebSocket;
  readonly #socket: Duplex;
  readonly #context: EdgeContext;
  readonly #onClosed: () => void;
  #missed = 0;
  #stalledSince: number | undefined;
  #goawayTimer: NodeJS.Timeout | undefined;

  constructor(ws: WebSocket, socket: Duplex, context: EdgeContext, onClosed: () => void) {
    this.#ws = ws;
    this.#socket = socket;
    this.#context = context;
    this.#onClosed = onClosed;
    this.connection = new Connection(randomUUID(), this, context);
    ws.on('message', (message: RawData, isBinary: boolean) => this.#onMessage(message as Buffer, isBinary));
    ws.on('pong', () => (this.#missed = 0));
    ws.on('close', () => this.#onClose());
    // ws closes the socket itself after a protocol error; the close event follows.
    ws.on('error', (error) =>
      context.logger.debug('socket_error', { connection: this.connection.id, error }),
    );
    socket.on('drain', () => {
      this.#stalledSince = undefined;
      this.connection.onDrain();
    });
  }

  get writable(): boolean {
    return this.#socket.writableLength <= HIGH_WATER_BYTES;
  }

  send({ bytes }: Frame): void {
    if (this.#ws.readyState !== this.#ws.OPEN) return;
    if (!this.#socket.write(bytes)) this.#stalledSince ??= this.#context.clock.now();
  }

  close(code: CloseCode, reason: string): void {
    this.#ws.close(code, reason);
  }

  ping(): void {
    if (this.#missed >= 2) {
      // The other side may never read a close frame: end the socket as well.
      this.close(CLOSE_CODES.heartbeatMissed, 'no answer to two pings');
      this.#ws.terminate();
      return;
    }
    this.#missed += 1;
    if (this.#ws.readyState === this.#ws.OPEN) this.#ws.ping();
  }

  tick(now: number): void {
    this.connection.tick(now);
    if (this.#stalledSince === undefined || now - this.#stalledSince < STALL_MS) return;
    this.close(CLOSE_CODES.tooSlow, 'the socket did not drain');
    this.#ws.terminate();
  }

  goaway(delayMs: number): Promise<void> {
    this.connection.goaway(Math.round(delayMs));
    return new Promise((resolve) => {
      this.#ws.once('close', () => resolve());
      this.#goawayTimer = setTimeout(() => this.close(CLOSE_CODES.restart, 'the server restarts'), delayMs);
    });
  }

  #onMessage(message: Buffer, isBinary: boolean): void {
    this.#missed = 0;
    if (message.length > this.#context.limits.maxFrameBytes)
      return this.close(
        CLOSE_CODES.tooLarge,
        `expected frames of at most ${this.#context.limits.maxFrameBytes} bytes`,
      );
    if (isBinary) this.connection.onBinary();
    else this.connection.onText(message.toString());
  }

  #onClose(): void {
    clearTimeout(this.#goawayTimer);
    this.connection.onClose();
    this.#onClosed();
  }
}

type Refusal = { readonly status: string; readonly reason: string; readonly retryAfterS?: number };

const refuse = (socket: Duplex, { status, reason, retryAfterS }: Refusal): void => {
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
  const bearer = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1];
  if (bearer !== undefined) return bearer;
  const offered = offeredProtocols(headers['sec-websocket-protocol']);
  const protocol = offered.find((entry) => entry.startsWith(BEARER_SUBPROTOCOL_PREFIX));
  return protocol?.slice(BEARER_SUBPROTOCOL_PREFIX.length);
};
