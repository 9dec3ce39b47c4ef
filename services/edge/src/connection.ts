import { BusUnavailableError } from '@sluice/bus';
import {
  CLOSE_CODES,
  EXPIRING_NOTICE_MS,
  isRetryable,
  parseGenerationId,
  parseItemId,
  parseSessionId,
  SluiceError,
} from '@sluice/protocol';
import type {
  AckFrame,
  CancelFrame,
  ClientFrame,
  CloseCode,
  ErrorFrame,
  MessageFrame,
  OkFrame,
  PromptFrame,
  SessionId,
  SessionKey,
  SignalSendFrame,
  SubscribeFrame,
} from '@sluice/protocol';
import { parseClientFrame } from '@sluice/protocol/schema';
import { admit } from './admission.ts';
import { CredentialError } from './auth/verifier.ts';
import { allows, reaches } from './auth/grant.ts';
import type { Grant, Scope } from './auth/grant.ts';
import { cancelGeneration } from './cancellation.ts';
import type { EdgeContext } from './edge-context.ts';
import { FrameBudget } from './frame-budget.ts';
import { encodeFrame } from './frames.ts';
import { Viewer } from './viewer.ts';
import type { FrameSink } from './viewer.ts';

/** What a connection needs of its socket besides sending frames. */
export type ConnectionSocket = FrameSink & { close(code: CloseCode, reason: string): void };

/** Frames waiting behind one that talks to NATS; a client that sends more does not wait for answers. */
const MAX_WAITING = 256;
const UNKNOWN_TYPES_PER_MINUTE = 3;

/**
 * One client's side of the protocol, whatever carries it: gets texts, answers with frames. Frames that
 * need NATS are handled one after the other, acks and pings at once.
 */
export class Connection {
  readonly id: string;
  readonly #context: EdgeContext;
  readonly #socket: ConnectionSocket;
  readonly #openedAt: number;
  readonly #viewers = new Map<string, Viewer>();
  #grant: Grant | undefined;
  #budget: FrameBudget;
  #queue: Promise<void> = Promise.resolve();
  #waiting = 0;
  #unknownTypes: number[] = [];
  #noticed = false;
  #closed = false;

  constructor(id: string, socket: ConnectionSocket, context: EdgeContext) {
    this.id = id;
    this.#socket = socket;
    this.#context = context;
    this.#openedAt = context.clock.now();
    this.#budget = new FrameBudget(context.limits.maxFramesPerSecond, this.#openedAt);
  }

  get grant(): Grant | undefined {
    return this.#grant;
  }
  /** When the socket was accepted, ms. */
  get openedAt(): number {
    return this.#openedAt;
  }

  /** The first credential, from the upgrade or an `auth` frame: answered by `ready`, or closed with 4401. */
  async authenticate(token: string, id?: string): Promise<void> {
    const { verify, limits, heartbeatMs, users } = this.#context;
    try {
      const grant = await verify(token);
      if (this.#closed) return;
      if (!users.enter(grant)) return this.#close(CLOSE_CODES.tryLater, 'too many connections of this user');
      this.#grant = grant;
      const { user, org, expiresAt } = grant;
      this.#send({ type: 'ready', connection: this.id, user, org, expiresAt, heartbeatMs, limits });
      if (id !== undefined) this.#ok(id);
    } catch (error) {
      if (!(error instanceof CredentialError)) throw error;
      this.#context.logger.info('credential_refused', { connection: this.id, error: error.cause });
      this.#close(CLOSE_CODES.credential, error.message);
    }
  }

  onText(text: string): void {
    if (this.#closed) return;
    const budget = this.#budget.take(this.#context.clock.now());
    if (budget === 'abuse') return this.#close(CLOSE_CODES.abuse, 'too many frames');
    const result = parseClientFrame(text);
    if (result.type === 'bad') return this.#onBadFrame(result);
    const { frame } = result;
    if (budget === 'limited') {
      const retryAfterMs = this.#budget.waitMs;
      return this.#refuse(frame, new SluiceError('rate_limited', 'too many frames', { retryAfterMs }));
    }
    this.#dispatch(frame);
  }

  /** A frame that no frame can be: binary. */
  onBinary(): void {
    this.#onBadFrame({ id: undefined, knownType: false, message: 'expected a text frame, got a binary one' });
  }

  /** The socket has room again. */
  onDrain(): void {
    for (const viewer of this.#viewers.values()) this.#context.hub.known(viewer.key)?.resume(viewer);
  }

  /** The socket is gone. */
  onClose(): void {
    this.#closed = true;
    if (this.#grant !== undefined) this.#context.users.leave(this.#grant);
    for (const viewer of this.#viewers.values()) this.#context.hub.known(viewer.key)?.detach(viewer);
    this.#viewers.clear();
  }

  /** Called about once a second: credentials that never came, that expire, that have expired. */
  tick(now: number): void {
    if (this.#closed) return;
    if (this.#grant === undefined) {
      if (now - this.#openedAt >= this.#context.authTimeoutMs)
        this.#close(CLOSE_CODES.authTimeout, 'no credential in time');
      return;
    }
    const { expiresAt } = this.#grant;
    if (now >= expiresAt) return this.#close(CLOSE_CODES.credential, 'the token has expired');
    if (this.#noticed || now < expiresAt - EXPIRING_NOTICE_MS) return;
    this.#noticed = true;
    this.#send({ type: 'expiring', expiresAt });
  }

  /** Tells the client that the edge goes away; the socket is closed by whoever called. */
  goaway(reconnectMs: number): void {
    this.#send({ type: 'goaway', reconnectMs });
  }

  #dispatch(frame: ClientFrame): void {
    if (frame.type === 'auth') return this.#enqueue(frame, () => this.#onAuth(frame.token, frame.id));
    if (this.#grant === undefined)
      return this.#refuse(frame, new SluiceError('unauthorized', 'expected `auth` first'));
    if (frame.type === 'ping') {
      this.#send({ type: 'pong' });
      return this.#ok(frame.id);
    }
    if (frame.type === 'ack') return this.#onAck(frame);
    const grant = this.#grant;
    this.#enqueue(frame, () => this.#handle(frame, grant));
  }

  /** In order, one at a time: a cancel must not overtake its prompt. */
  #enqueue(frame: ClientFrame, handle: () => Promise<Partial<OkFrame> | undefined | void>): void {
    if (this.#waiting >= MAX_WAITING)
      return this.#refuse(frame, new SluiceError('rate_limited', 'too many frames wait for an answer'));
    this.#waiting += 1;
    const run = async (): Promise<void> => {
      this.#waiting -= 1;
      if (this.#closed) return;
      try {
        const answer = await handle();
        if (frame.type !== 'auth') this.#ok(frame.id, answer ?? {});
      } catch (error) {
        this.#refuse(frame, error);
      }
    };
    this.#queue = this.#queue.then(run);
  }

  async #handle(frame: ClientFrame, grant: Grant): Promise<Partial<OkFrame> | undefined> {
    switch (frame.type) {
      case 'subscribe':
        await this.#onSubscribe(frame, grant);
        return undefined;
      case 'unsubscribe':
        this.#unsubscribe(frame.session);
        return undefined;
      case 'prompt':
        return this.#onPrompt(frame, grant);
      case 'cancel':
        await this.#onCancel(frame, grant);
        return undefined;
      case 'message':
        await this.#onMessage(frame, grant);
        return undefined;
      case 'signal':
        this.#onSignal(frame);
        return undefined;
      default:
        return undefined;
    }
  }

  async #onAuth(token: string, id: string | undefined): Promise<void> {
    const old = this.#grant;
    if (old === undefined) return this.authenticate(token, id);
    const grant = await this.#context.verify(token);
    if (grant.user !== old.user || grant.org !== old.org)
      throw new SluiceError('forbidden', 'a refreshed token must keep `sub` and `org`');
    this.#grant = grant;
    this.#noticed = false;
    this.#ok(id);
  }

  async #onSubscribe(frame: SubscribeFrame, grant: Grant): Promise<void> {
    const session = this.#open(frame.session, grant, 'read');
    await this.#attach({ ...frame, session }, grant);
  }

  async #attach(frame: Omit<SubscribeFrame, 'type'> & { session: SessionId }, grant: Grant): Promise<void> {
    const { hub, limits } = this.#context;
    const { session, rev = 0, positions = {}, observe = false, window = limits.defaultWindow } = frame;
    if (!this.#viewers.has(session) && this.#viewers.size >= limits.maxSessionsPerConnection)
      throw new SluiceError('quota_exceeded', `expected at most ${limits.maxSessionsPerConnection} sessions`);
    // Subscribing again is a new attachment from the positions it names.
    this.#unsubscribe(session);
    const viewer = new Viewer({
      key: { org: grant.org, session },
      ref: { user: grant.user, connection: this.id },
      sink: this.#socket,
      window,
      observe,
      positions: new Map(Object.entries(positions)),
    });
    this.#viewers.set(session, viewer);
    try {
      await hub.feed(viewer.key).attach(viewer, rev);
    } catch (error) {
      this.#viewers.delete(session);
      throw error;
    }
    if (this.#closed) hub.known(viewer.key)?.detach(viewer);
  }

  #unsubscribe(session: string): void {
    const viewer = this.#viewers.get(session);
    if (viewer === undefined) return;
    this.#viewers.delete(session);
    this.#context.hub.known(viewer.key)?.detach(viewer);
  }

  async #onPrompt(frame: PromptFrame, grant: Grant): Promise<Partial<OkFrame>> {
    const { hub, admission, users, metrics } = this.#context;
    const session = this.#open(frame.session, grant, 'prompt');
    const generation = parseGenerationId(frame.generation);
    const key = { org: grant.org, session, generation };
    if (!this.#viewers.has(session) && allows(grant, 'read')) await this.#attach({ session }, grant);
    const { type: _type, id: _id, session: _session, generation: _generation, ...body } = frame;
    const submission = {
      key,
      user: grant.user,
      body,
      items: hub.known(key)?.items ?? 0,
      checkQuota: () => users.takePrompt(grant),
    };
    const created = await admit(submission, admission);
    metrics.prompts.inc({ created: String(created) });
    return { generation, created };
  }

  async #onCancel(frame: CancelFrame, grant: Grant): Promise<void> {
    const session = this.#open(frame.session, grant, undefined);
    const generation = parseGenerationId(frame.generation);
    await cancelGeneration({ org: grant.org, session, generation }, grant, this.#context);
  }

  async #onMessage(frame: MessageFrame, grant: Grant): Promise<void> {
    const { bus, clock, admission } = this.#context;
    const session = this.#open(frame.session, grant, 'prompt');
    const key: SessionKey = { org: grant.org, session };
    const { message, text, data } = frame;
    if (admission.fullness() >= 0.8) throw new SluiceError('unavailable', 'storage is nearly full');
    const item = {
      id: parseItemId(message),
      kind: 'message' as const,
      user: grant.user,
      createdAt: clock.now(),
      text,
      ...(data === undefined ? {} : { data }),
    };
    if ((await bus.sessions.createItem(key, item)) !== undefined) return;
    const known = (await bus.sessions.item(key, item.id))?.item;
    const isSame = known?.kind === 'message' && known.user === grant.user && known.text === text;
    if (!isSame) throw new SluiceError('conflict', 'this id was used before with another body');
  }

  #onSignal({ session, data }: SignalSendFrame): void {
    const viewer = this.#viewers.get(session);
    if (viewer === undefined) throw new SluiceError('not_found', 'subscribe to the session first');
    const { maxSignalBytes } = this.#context.limits;
    if (Buffer.byteLength(JSON.stringify(data ?? null)) > maxSignalBytes)
      throw new SluiceError('too_large', `\`data\`: expected at most ${maxSignalBytes} bytes`);
    this.#context.hub.known(viewer.key)?.signal(viewer, data);
  }

  #onAck(frame: AckFrame): void {
    this.#context.metrics.acks.inc();
    const viewer = this.#viewers.get(frame.session);
    if (viewer === undefined) return this.#refuse(frame, new SluiceError('not_found', 'not subscribed'));
    this.#context.hub.known(viewer.key)?.ack(viewer, frame.generation, frame);
    this.#ok(frame.id);
  }

  /** The session, if this grant reaches it: what it does not reach does not exist for it. */
  #open(session: string, grant: Grant, scope: Scope | undefined): SessionId {
    if (!reaches(grant, session)) throw new SluiceError('not_found', 'no such session');
    if (scope !== undefined && !allows(grant, scope))
      throw new SluiceError('forbidden', `expected scope \`${scope}\``);
    return parseSessionId(session);
  }

  #onBadFrame(bad: { id: string | undefined; knownType: boolean; message: string }): void {
    const re = bad.id === undefined ? {} : { re: bad.id };
    this.#sendError({ type: 'error', ...re, code: 'bad_frame', message: bad.message, retryable: false });
    if (bad.knownType) return;
    const now = this.#context.clock.now();
    this.#unknownTypes = [...this.#unknownTypes.filter((at) => now - at < 60_000), now];
    if (this.#unknownTypes.length >= UNKNOWN_TYPES_PER_MINUTE)
      this.#close(CLOSE_CODES.badFrames, 'three frames that are none of the protocol');
  }

  #refuse(frame: ClientFrame, error: unknown): void {
    if (this.#closed) return;
    const known = toSluiceError(error);
    if (known.code === 'internal')
      this.#context.logger.error('frame_failed', { connection: this.id, type: frame.type, error });
    const { session, generation } = frame as { session?: string; generation?: string };
    this.#sendError({
      type: 'error',
      ...(frame.id === undefined ? {} : { re: frame.id }),
      code: known.code,
      message: known.message,
      retryable: isRetryable(known.code),
      ...(known.retryAfterMs === undefined ? {} : { retryAfterMs: known.retryAfterMs }),
      ...(session === undefined ? {} : { session }),
      ...(generation === undefined ? {} : { generation }),
    });
  }

  #sendError(frame: ErrorFrame): void {
    this.#context.metrics.errors.inc({ code: frame.code });
    this.#send(frame);
  }

  #ok(id: string | undefined, extra: Partial<OkFrame> = {}): void {
    if (id !== undefined) this.#send({ ...extra, type: 'ok', re: id });
  }

  #send(frame: Parameters<typeof encodeFrame>[0]): void {
    if (!this.#closed) this.#socket.send(encodeFrame(frame));
  }

  #close(code: CloseCode, reason: string): void {
    if (this.#closed) return;
    this.#context.metrics.closes.inc({ code: String(code) });
    this.#socket.close(code, reason);
    this.onClose();
  }
}

const toSluiceError = (error: unknown): SluiceError => {
  if (error instanceof SluiceError) return error;
  if (error instanceof BusUnavailableError)
    return new SluiceError('unavailable', 'storage does not answer', { retryAfterMs: 1_000, cause: error });
  if (error instanceof CredentialError) return new SluiceError('unauthorized', error.message);
  return new SluiceError('internal', 'an unexpected error occurred', { cause: error });
};
