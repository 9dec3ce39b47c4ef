import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { CLOSE_CODES } from '@sluice/protocol';
import type { CloseCode } from '@sluice/protocol';
import type { WebSocket } from 'ws';
import type { ClientSocket } from '../../connections/client-socket.ts';
import type { EdgeContext } from '../../connections/edge-context.ts';
import type { Frame } from '../../feeds/frames.ts';
import type { Peer } from '../../connections/peer.ts';
import type { SocketDialect } from './socket-dialect.ts';
import { progressOf, StallWatch } from '../stall-watch.ts';
import { MAX_BUFFERED_BYTES } from '../transport.ts';

/** A socket that holds more than this is not written to until it has drained, bytes. */
const HIGH_WATER_BYTES = 64 * 1024;

/** Of a stranger: room for the heads of its first frame's fragments, and for a few pings. */
const SLACK_BYTES = 1024;
/** Parts in which a stranger's first frame may come: each is a buffer of its own until the last one is there. */
const MAX_PARTS = 512;
/** Frames of a stranger that may come in one piece with its first one. */
const MAX_EARLY_FRAMES = 64;
/** A socket is read in pieces of at most this, bytes. */
const READ_BYTES = 64 * 1024;
/** What a stranger may still send once it was told to go, bytes. */
const MAX_LATE_BYTES = 16 * 1024;

/** How a socket came to be. */
export type Opened = {
  readonly dialect: SocketDialect;
  readonly context: EdgeContext;
  /** what came in one piece with the upgrade */
  readonly headBytes: number;
};

/** As `ws` reads it. */
export type Message = { readonly bytes: Buffer; readonly isBinary: boolean };

/**
 * One accepted WebSocket and its peer. Frames are written to the socket as they were encoded. Of a client that has not
 * signed in, one frame is read and no more: the socket is not read on until it was looked at.
 */
export class OpenSocket implements ClientSocket {
  readonly peer: Peer<unknown>;
  readonly #ws: WebSocket;
  readonly #socket: Socket;
  readonly #context: EdgeContext;
  readonly #dialect: SocketDialect;
  /** its client has signed in, and has a place */
  #isKnown = false;
  /** what a stranger has sent so far: bytes before the upgrade, and parts since */
  readonly #bytesBefore: number;
  #parts = 0;
  #onBytes: (() => void) | undefined;
  #hasFirst = false;
  #isClosing = false;
  /** what came in one piece with a stranger's first frame */
  #early: Message[] | undefined;
  #missed = 0;
  readonly #stall: StallWatch;
  #goawayTimer: NodeJS.Timeout | undefined;

  constructor(ws: WebSocket, socket: Socket, { dialect, context, headBytes }: Opened) {
    this.#ws = ws;
    this.#socket = socket;
    this.#context = context;
    this.#dialect = dialect;
    this.#bytesBefore = socket.bytesRead - headBytes;
    this.#stall = new StallWatch(context.clock.now());
    this.peer = dialect.open(randomUUID(), this, context);
    context.publicSockets.upgraded(socket, () =>
      this.#cut(CLOSE_CODES.tryLater, 'too many connections without a credential'),
    );
    this.#onBytes = () => this.#onStrangersBytes();
    socket.on('data', this.#onBytes);
    if (!this.#findRoom(0)) ws.pause();
    const { peer } = this;
    socket.on('drain', () => peer.onDrain());
  }

  onMessage(message: Message): void {
    if (this.#isKnown) this.#read(message);
    else this.#onStrangersMessage(message);
  }

  onPing(): void {
    this.peer.onPing();
  }

  onPong(): void {
    this.#missed = 0;
  }

  onError(error: Error): void {
    this.#context.logger.debug('socket_error', { connection: this.peer.id, error });
  }

  onClose(): void {
    clearTimeout(this.#goawayTimer);
    if (this.#isKnown) this.#context.connections.leave('websocket');
    this.peer.onClose();
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
    this.#isClosing = true;
    this.#early = undefined;
    this.#ws.close(code, reason);
    // Its answer is worth reading.
    this.#ws.resume();
  }

  /** A credential came with the upgrade: nothing is read before it was looked at. */
  authenticate(token: string): void {
    this.#hasFirst = true;
    this.#ws.pause();
    this.peer.authenticate(token);
  }

  enter(): boolean {
    const { connections, publicSockets } = this.#context;
    if (connections.isFull) return false;
    connections.enter('websocket');
    this.#isKnown = true;
    publicSockets.know(this.#socket);
    if (this.#onBytes !== undefined) this.#socket.off('data', this.#onBytes);
    this.#onBytes = undefined;
    // Behind what is said to it first.
    setImmediate(() => this.#readOn());
    return true;
  }

  refused(): void {
    this.#context.publicSockets.refused(this.#socket);
  }

  ping(): void {
    if (this.#missed >= 2) return this.#cut(CLOSE_CODES.heartbeatMissed, 'no answer to two pings');
    this.#missed += 1;
    if (this.#ws.readyState === this.#ws.OPEN) this.#ws.ping();
  }

  tick(now: number): void {
    this.peer.tick(now);
    // Its first frame may have waited for room.
    if (!this.#hasFirst && this.#ws.isPaused && this.#findRoom(this.#strangersBytes)) this.#ws.resume();
    if (this.#stall.isStalled(progressOf(this.#socket), now))
      this.#cut(CLOSE_CODES.tooSlow, 'the socket did not drain');
  }

  /** Announces the close and does it after `delayMs`. Resolves when the socket is gone. */
  goaway(delayMs: number): Promise<void> {
    this.peer.goaway(Math.round(delayMs));
    this.#goawayTimer = setTimeout(() => this.#restart(), delayMs);
    return this.#closed();
  }

  /** Closes now, and without the client's answer after `timeoutMs`. Resolves when the socket is gone. */
  async shutdown(timeoutMs: number): Promise<void> {
    this.#restart();
    const timer = setTimeout(() => this.#ws.terminate(), timeoutMs);
    await this.#closed();
    clearTimeout(timer);
  }

  /** Resolves when the socket is gone. */
  async #closed(): Promise<void> {
    const ws = this.#ws;
    if (ws.readyState !== ws.CLOSED) await new Promise((resolve) => ws.once('close', resolve));
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

  get #strangersBytes(): number {
    return this.#socket.bytesRead - this.#bytesBefore;
  }

  /** Whether a stranger's first frame may be read on, `bytes` of it being there: a small one always. */
  #findRoom(bytes: number): boolean {
    if (this.#dialect.maxFirstBytes <= MAX_LATE_BYTES) return true;
    const { publicSockets } = this.#context;
    const { hasRoom } = publicSockets;
    publicSockets.hold(this.#socket, hasRoom ? bytes + READ_BYTES : bytes);
    return hasRoom;
  }

  #readOn(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const message of early) this.#read(message);
    this.#ws.resume();
  }

  /** Behind the socket's own reading: what is told here is in memory already. */
  #onStrangersBytes(): void {
    const bytes = this.#strangersBytes;
    this.#parts += 1;
    if (this.#isClosing) {
      if (bytes > MAX_LATE_BYTES) this.#ws.terminate();
      return;
    }
    const most = Math.min(this.#dialect.maxFirstBytes, this.#context.limits.maxFrameBytes) + SLACK_BYTES;
    if (!this.#hasFirst && (bytes > most || this.#parts > MAX_PARTS)) {
      this.#refuseFirst();
      return this.#ws.terminate();
    }
    if (!this.#findRoom(bytes)) this.#ws.pause();
  }

  #onStrangersMessage(message: Message): void {
    if (this.#isClosing) return;
    if (this.#hasFirst) {
      const early = (this.#early ??= []);
      early.push(message);
      if (early.length > MAX_EARLY_FRAMES)
        this.peer.close(CLOSE_CODES.credential, 'expected nothing before `ready`');
      return;
    }
    this.#hasFirst = true;
    this.#ws.pause();
    if (message.bytes.length > this.#dialect.maxFirstBytes) this.#refuseFirst();
    else if (message.isBinary) this.peer.close(CLOSE_CODES.credential, 'expected a text frame');
    else this.#read(message);
  }

  #refuseFirst(): void {
    const { maxFirstBytes } = this.#dialect;
    this.peer.close(CLOSE_CODES.tooLarge, `expected at most ${maxFirstBytes} bytes before the credential`);
  }

  #read({ bytes, isBinary }: Message): void {
    this.#missed = 0;
    const { maxFrameBytes } = this.#context.limits;
    if (bytes.length > maxFrameBytes)
      this.peer.close(CLOSE_CODES.tooLarge, `expected frames of at most ${maxFrameBytes} bytes`);
    else if (isBinary) this.peer.onBinary();
    else this.peer.onText(bytes.toString());
  }
}
