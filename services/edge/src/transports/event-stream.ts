import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { CLOSE_CODES, EXPIRING_NOTICE_MS } from '@sluice/protocol';
import type { CloseCode, GenerationId, Position, ServerFrame, SessionKey } from '@sluice/protocol';
import type { FastifyReply } from 'fastify';
import { Attachments } from '../connections/attachments.ts';
import { mayGovern } from '../auth/grant.ts';
import type { Grant } from '../auth/grant.ts';
import type { EdgeContext } from '../connections/edge-context.ts';
import { encodeFrame } from '../feeds/frames.ts';
import type { Frame } from '../feeds/frames.ts';
import { refusalOf } from '../connections/refusal.ts';
import { Viewer } from '../feeds/viewer.ts';
import type { FrameSink } from '../feeds/viewer.ts';
import type { EventView, PlainAnswer, Shown } from './event-view.ts';
import { whenOver } from './response-over.ts';
import { progressOf, StallWatch } from './stall-watch.ts';
import { MAX_BUFFERED_BYTES } from './transport.ts';
import type { Unacked } from './unacked.ts';

/** Most that waits in this process for one stream before frames are held back, bytes; plus one frame. */
export const SOCKET_BYTES = 16 * 1024;
/** A response that begins with its first event begins after this time at the latest: proxies and clients wait no longer, ms. */
export const HEAD_WAIT_MS = 10_000;
/** A silent stream says something this often: proxies cut what looks dead, ms. */
export const KEEP_ALIVE_MS = 15_000;

/** A client that acknowledges nothing for so many heartbeats is gone, as one that answers none of a WebSocket's. */
const MISSED_HEARTBEATS = 2;

export const EVENT_STREAM_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
} as const;

export type EventStreamOptions = {
  readonly grant: Grant;
  readonly view: EventView;
  /** written before anything else; default nothing */
  readonly opening?: string;
  /** `first`: the head waits for the first event, so that a failure before it is a status. Default `watch`: at once */
  readonly beginsWith?: 'watch' | 'first' | undefined;
  /**
   * When the stream is ended so that its client comes back, ms since the Unix epoch: for clients that
   * resume by themselves. Infinity: the stream is one answer, and lives as long as that takes.
   */
  readonly endsAt: number;
};

/** What a stream watches of a session. */
export type WatchOptions = {
  /** this generation alone, done or not; default all of the session, with its items */
  readonly only?: GenerationId;
  readonly rev?: number;
  /** which store `rev` and `positions` are of */
  readonly store?: string | undefined;
  readonly positions?: ReadonlyMap<string, Position>;
};

/** How a stream came to its end: the view said `last`, the client hung up, or the edge ended it. */
export type StreamEnd = 'finished' | 'left' | 'ended';

/**
 * One HTTP response as a stream of server-sent events: a viewer like any other, whose frames are shown
 * by a view. What has been flushed to the socket is its ack, so a client that does not read is a slow
 * viewer, and nothing waits for it here.
 */
export class EventStream implements FrameSink {
  readonly id: string = randomUUID();
  /** Resolves when the response is over; what was watched is left by then. */
  readonly closed: Promise<StreamEnd>;
  readonly #context: EdgeContext;
  readonly #reply: FastifyReply;
  readonly #raw: ServerResponse;
  readonly #options: EventStreamOptions;
  readonly #attachments: Attachments;
  readonly #stall: StallWatch;
  /** of its client, as {@link #stall} is of the socket */
  readonly #silence: StallWatch;
  #end: StreamEnd = 'left';
  #isStarted = false;
  #isOver = false;
  #isNoticed = false;
  #writtenAt: number;
  readonly #openedAt: number;
  #onRoom: (() => void) | undefined;

  constructor(reply: FastifyReply, options: EventStreamOptions, context: EdgeContext) {
    this.#reply = reply;
    this.#raw = reply.raw;
    this.#options = options;
    this.#context = context;
    this.#attachments = new Attachments(context);
    this.#openedAt = context.clock.now();
    this.#writtenAt = this.#openedAt;
    this.#stall = new StallWatch(this.#writtenAt);
    this.#silence = new StallWatch(this.#writtenAt, MISSED_HEARTBEATS * context.heartbeatMs);
    this.closed = new Promise((resolve) => {
      whenOver(this.#raw, () => {
        // Nobody is left to be answered otherwise.
        if (!this.#isOver && !this.#isStarted) this.#reply.hijack();
        this.leave();
        resolve(this.#end);
      });
    });
    // The close event follows.
    this.#raw.on('error', (error) => context.logger.debug('socket_error', { connection: this.id, error }));
    this.#raw.on('drain', () => this.#onDrain());
  }

  /**
   * Attaches to a session, or moves the attachment to other positions; then the response has begun.
   * @throws BusUnavailableError; as long as nothing was sent, the request can still be answered otherwise
   */
  async watch(key: SessionKey, { only, rev = 0, store, positions = new Map() }: WatchOptions): Promise<void> {
    const { org, session } = key;
    const viewer = new Viewer({
      key: { org, session },
      ref: { user: this.#options.grant.user, connection: this.id },
      sink: this,
      ackedBy: 'sink',
      only,
      window: this.#context.limits.defaultWindow,
      observe: false,
      governs: mayGovern(this.#options.grant),
      positions,
    });
    await this.#attachments.attach(viewer, { rev, store });
    if (this.#options.beginsWith !== 'first') this.#start();
  }

  /** Resolves once the socket takes frames again, or the stream is over. */
  async room(): Promise<void> {
    while (!this.#isOver && !this.writable) await new Promise<void>((resolve) => (this.#onRoom = resolve));
  }

  /** Whether the response has begun, so that errors can only be said on the stream. */
  get isStarted(): boolean {
    return this.#isStarted;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get writable(): boolean {
    return this.#raw.writableLength <= SOCKET_BYTES;
  }

  send(frame: Frame, onTaken?: () => void): void {
    if (this.#isOver) return;
    const shown = this.#show(frame);
    if (shown?.instead !== undefined && !this.#isStarted) return this.#answer(shown.instead);
    if (shown === undefined || shown.text === '') onTaken?.();
    else this.#write(shown.text, onTaken);
    if (shown?.last === true) this.#finish('finished');
  }

  /** A view that fails ends its own stream only: others share the turn in which it was asked. */
  #show(frame: Frame): Shown | undefined {
    try {
      return this.#options.view(frame.content, frame.json);
    } catch (error) {
      this.#context.logger.error('event_failed', { connection: this.id, type: frame.content.type, error });
      this.#endBy(CLOSE_CODES.tryLater);
      return undefined;
    }
  }

  /** Says something of the edge's own. */
  say(frame: ServerFrame): void {
    this.send(encodeFrame(frame));
  }

  tick(now: number): void {
    const { grant, endsAt } = this.#options;
    const { socket } = this.#raw;
    if (socket !== null && this.#stall.isStalled(progressOf(socket), now)) return this.#cut();
    if (this.#isOver) return;
    // Also before its first event, which would still be shown.
    if (grant.standing.isRevoked()) return this.#refuse('unauthorized', 'the token was revoked');
    const isClosed = (session: string): boolean => grant.standing.closes(session);
    if (this.#attachments.sessions.some(isClosed)) return this.#refuse('not_found', 'no such session');
    if (!this.#isStarted) {
      if (this.#attachments.size === 0 || now - this.#openedAt < HEAD_WAIT_MS) return;
      this.#start();
    }
    if (now >= endsAt) return this.goaway(0);
    // A client that cannot come back gets all of what it asked for while its token counted.
    if (endsAt < Infinity && this.#hasExpired(now)) return;
    if (now - this.#writtenAt >= KEEP_ALIVE_MS && this.writable) this.#write(': keep-alive\n\n');
  }

  /** @returns true: the stream is over. Shortly before, its client is told. */
  #hasExpired(now: number): boolean {
    const { expiresAt } = this.#options.grant;
    if (now >= expiresAt) {
      this.#refuse('unauthorized', 'the token has expired');
      return true;
    }
    if (now < expiresAt - EXPIRING_NOTICE_MS || this.#isNoticed) return false;
    this.#isNoticed = true;
    this.say({ type: 'expiring', expiresAt });
    return false;
  }

  /** Begins a look at what the client's kernel has acknowledged. @returns what ends it, with what was found */
  checkClient(): (unacked: Unacked, now: number) => void {
    const { socket } = this.#raw;
    // Taken before the kernel is asked: what is written meanwhile must not count as acknowledged.
    const { taken } = progressOf(socket ?? { bytesWritten: 0, writableLength: 0 });
    return (unacked, now) => {
      if (socket === null || this.#raw.destroyed) return;
      const waiting = unacked(socket);
      if (this.#silence.isStalled({ taken: taken - waiting, waiting }, now)) this.#cut();
    };
  }

  /** Ends the stream: its client may come back after `reconnectMs`. Idempotent. */
  goaway(reconnectMs: number): void {
    if (this.#isOver) return;
    if (this.#options.beginsWith !== 'first') this.#start();
    const isResumable = this.#options.endsAt < Infinity;
    if (isResumable) this.say({ type: 'goaway', reconnectMs: Math.round(reconnectMs) });
    else this.say({ type: 'error', code: 'unavailable', message: 'the server restarts', retryable: true });
    this.#endBy(CLOSE_CODES.restart);
  }

  /** Ends the stream with an error that came up while it was open. */
  fail(error: unknown): void {
    this.say(refusalOf({}, error));
    this.#endBy(CLOSE_CODES.tryLater);
  }

  /** Ends the TCP connection with it: for a client that may never read the end. */
  destroy(): void {
    this.#raw.destroy();
  }

  #refuse(code: 'unauthorized' | 'not_found', message: string): void {
    this.say({ type: 'error', code, message, retryable: false });
    this.#endBy(CLOSE_CODES.credential);
  }

  #cut(): void {
    this.#endBy(CLOSE_CODES.tooSlow);
    this.destroy();
  }

  #endBy(code: CloseCode): void {
    if (this.#isOver) return;
    this.#context.tally.closes.add(String(code));
    this.#finish('ended');
  }

  #finish(end: StreamEnd): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#end = end;
    this.#raw.end();
  }

  /** Nothing was sent yet: the request is answered by status after all. */
  #answer({ status, headers, body }: PlainAnswer): void {
    this.#isOver = true;
    this.#end = 'finished';
    void this.#reply.code(status).headers(headers).send(body);
  }

  /** The head goes out before the first event, whether there is one yet or not. */
  #start(): void {
    if (this.#isStarted || this.#isOver) return;
    this.#isStarted = true;
    this.#reply.hijack();
    this.#raw.writeHead(200, {
      ...(this.#reply.getHeaders() as Record<string, string>),
      ...EVENT_STREAM_HEADERS,
    });
    this.#raw.flushHeaders();
    const { opening = '' } = this.#options;
    if (opening !== '') this.#write(opening);
  }

  #write(text: string, onFlushed?: () => void): void {
    this.#start();
    if (this.#raw.writableLength > MAX_BUFFERED_BYTES) return this.#cut();
    this.#writtenAt = this.#context.clock.now();
    this.#raw.write(text, (error) => {
      if (error === undefined || error === null) onFlushed?.();
    });
  }

  #onDrain(): void {
    this.#continue();
    this.#attachments.resume();
  }

  #continue(): void {
    this.#onRoom?.();
    this.#onRoom = undefined;
  }

  /** Leaves what it watches and sends nothing more. Idempotent. */
  leave(): void {
    this.#isOver = true;
    this.#continue();
    this.#attachments.close();
  }
}
