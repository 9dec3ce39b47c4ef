import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { CLOSE_CODES } from '@sluice/protocol';
import type { CloseCode } from '@sluice/protocol';
import type { RawData, WebSocket } from 'ws';
import type { ClientSocket } from '../connections/client-socket.ts';
import type { EdgeContext } from '../connections/edge-context.ts';
import type { Frame } from '../feeds/frames.ts';
import type { Peer } from '../connections/peer.ts';
import type { SocketDialect } from './socket-dialect.ts';
import { StallWatch } from './stall-watch.ts';
import { MAX_BUFFERED_BYTES } from './transport.ts';

/** A socket that holds more than this is not written to until it has drained, bytes. */
const HIGH_WATER_BYTES = 64 * 1024;

type Speaking = { readonly dialect: SocketDialect; readonly context: EdgeContext };

/** One accepted WebSocket and its peer. Frames are written to the socket as they were encoded. */
export class OpenSocket implements ClientSocket {
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
    if (this.#stall.isStalled(this.#socket, now)) this.#cut(CLOSE_CODES.tooSlow, 'the socket did not drain');
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
