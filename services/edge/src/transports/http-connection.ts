import { randomUUID } from 'node:crypto';
import { CLOSE_CODES } from '@sluice/protocol';
import type { CloseCode } from '@sluice/protocol';
import { isSameUser } from '../auth/grant.ts';
import type { Caller, Grant } from '../auth/grant.ts';
import { Connection } from '../connections/connection.ts';
import type { ClientSocket } from '../connections/client-socket.ts';
import type { EdgeContext } from '../connections/edge-context.ts';
import { encodeFrame } from '../feeds/frames.ts';
import type { Frame } from '../feeds/frames.ts';
import type { Downlink, DownlinkListener } from './downlink.ts';
import { MAX_BUFFERED_BYTES } from './transport.ts';

/** How long the last frames may take to be taken, ms. */
const CLOSE_TIMEOUT_MS = 5_000;

type HttpConnectionOptions = {
  /** who opened it */
  readonly grant: Grant;
  readonly context: EdgeContext;
  readonly open: (listener: DownlinkListener) => Downlink;
  /** a client that sends nothing for so long is gone, ms; Infinity: whether it is there shows otherwise */
  readonly maxSilenceMs: number;
  readonly onGone: () => void;
};

/**
 * One client's connection over HTTP: what a WebSocket is to its {@link Connection}. Frames go down by a
 * downlink and come up in requests.
 */
export class HttpConnection implements ClientSocket {
  readonly down: Downlink;
  readonly #context: EdgeContext;
  readonly #grant: Grant;
  readonly #connection: Connection;
  readonly #gone: Promise<void>;
  readonly #maxSilenceMs: number;
  #received = 0;
  #heardAt: number;
  #closedAt: number | undefined;
  #goawayTimer: NodeJS.Timeout | undefined;

  constructor({ grant, context, open, maxSilenceMs, onGone }: HttpConnectionOptions) {
    this.#context = context;
    this.#grant = grant;
    this.#maxSilenceMs = maxSilenceMs;
    this.#heardAt = context.clock.now();
    let resolveGone: () => void = () => undefined;
    this.#gone = new Promise((resolve) => (resolveGone = resolve));
    const gone = (): void => {
      clearTimeout(this.#goawayTimer);
      this.#connection.onClose();
      onGone();
      resolveGone();
    };
    this.#connection = new Connection(randomUUID(), this, context);
    this.down = open({ drained: () => this.#connection.onDrain(), gone });
  }

  /** Says `ready`. */
  begin(): void {
    this.#connection.admit(this.#grant);
  }

  get writable(): boolean {
    return this.down.writable;
  }

  /** It has its place since it was opened. */
  enter(): boolean {
    return true;
  }

  refused(): void {}

  /** Whether it is this caller's: to anybody else it does not exist. */
  isOf(caller: Caller): boolean {
    return isSameUser(caller, this.#grant);
  }

  send({ payload }: Frame): void {
    if (this.down.waiting > MAX_BUFFERED_BYTES) this.#cut(CLOSE_CODES.tooSlow, 'too much waits');
    else this.down.write(payload);
  }

  close(code: CloseCode, reason: string): void {
    this.#closedAt = this.#context.clock.now();
    this.down.write(encodeFrame({ type: 'close', code, reason }).payload);
    this.down.end();
  }

  /**
   * Frames of the client, one a line; it sent `after` frames before them. What a repeated request brings
   * again is passed over. @returns false when some between are missing
   */
  receive(after: number, body: string): boolean {
    this.#heardAt = this.#context.clock.now();
    if (after > this.#received) return false;
    const { maxFrameBytes } = this.#context.limits;
    for (const line of body
      .replace(/\n$/, '')
      .split('\n')
      .slice(this.#received - after)) {
      this.#received += 1;
      if (Buffer.byteLength(line) <= maxFrameBytes) this.#connection.onText(line);
      else this.#connection.close(CLOSE_CODES.tooLarge, `expected frames of at most ${maxFrameBytes} bytes`);
    }
    return true;
  }

  /** The client leaves. Idempotent. */
  leave(): void {
    this.down.destroy();
  }

  tick(now: number): void {
    this.#connection.tick(now);
    const fault = this.down.tick(now);
    if (fault !== undefined) return this.#cut(fault.code, fault.reason);
    if (this.#closedAt !== undefined && now - this.#closedAt >= CLOSE_TIMEOUT_MS) return this.down.destroy();
    if (now - this.#heardAt >= this.#maxSilenceMs)
      this.#cut(CLOSE_CODES.heartbeatMissed, 'no ping for three heartbeats');
  }

  /** Announces the close and does it after `delayMs`. Resolves when nobody is there any more. */
  goaway(delayMs: number): Promise<void> {
    this.#connection.goaway(Math.round(delayMs));
    this.#goawayTimer = setTimeout(() => this.#restart(), delayMs);
    return this.#gone;
  }

  /** Closes now, and after `timeoutMs` whether or not it was taken. Resolves when nobody is there any more. */
  async shutdown(timeoutMs: number): Promise<void> {
    this.#restart();
    const timer = setTimeout(() => this.down.destroy(), timeoutMs);
    await this.#gone;
    clearTimeout(timer);
  }

  #restart(): void {
    this.#connection.close(CLOSE_CODES.restart, 'the server restarts');
  }

  #cut(code: CloseCode, reason: string): void {
    this.#connection.close(code, reason);
    this.down.destroy();
  }
}
