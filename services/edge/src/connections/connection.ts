import { CLOSE_CODES, parseGenerationId, RESERVED_PREFIX, SluiceError } from '@sluice/protocol';
import type {
  AckFrame,
  AuthFrame,
  CancelFrame,
  ClientFrame,
  ErrorFrame,
  MessageFrame,
  OkFrame,
  PingFrame,
  PromptFrame,
  SignalSendFrame,
  SubscribeFrame,
} from '@sluice/protocol';
import { parseAuthFrame, parseClientFrame } from '@sluice/protocol/schema';
import { Attachments } from './attachments.ts';
import { allows, mayGovern, openSession } from '../auth/grant.ts';
import type { Grant } from '../auth/grant.ts';
import { cancelFor } from '../requests/cancellation.ts';
import type { EdgeContext } from './edge-context.ts';
import { encodeFrame } from '../feeds/frames.ts';
import { Listings } from './listings.ts';
import { postMessage } from '../requests/message-post.ts';
import { submitPrompt } from '../requests/prompt-submission.ts';
import { Peer } from './peer.ts';
import { refusalOf } from './refusal.ts';
import { NOTHING_KNOWN } from '../feeds/store-watch.ts';
import { Viewer } from '../feeds/viewer.ts';
import type { ClientSocket } from './client-socket.ts';

const UNKNOWN_TYPES_PER_MINUTE = 3;
const NONE: readonly number[] = [];
/** What a signal's frame has around its data, about, bytes. */
const SIGNAL_HEAD_BYTES = 100;

/**
 * One client's side of the protocol, whatever carries it: gets texts, answers with frames. Acks, pings and signals
 * wait for nothing, a cancel for the prompt of its generation, everything else for what came before it in its session.
 */
export class Connection extends Peer<ClientFrame> {
  readonly #attachments: Attachments;
  readonly #listings: Listings;
  #unknownTypes: readonly number[] = NONE;

  constructor(id: string, socket: ClientSocket, context: EdgeContext) {
    super(id, socket, context);
    this.#attachments = new Attachments(context);
    this.#listings = new Listings(socket);
  }

  /** Answered by `ready`, or closed with 4401. */
  authenticate(token: string): void {
    this.#inTurn({ type: 'auth', token }, 0);
  }

  /** A credential that was verified already: answered by `ready`, or closed with 1013. */
  admit(grant: Grant): void {
    const work = async (): Promise<void> => {
      if (await this.signIn.admit(grant)) this.#welcome(grant);
    };
    // As `auth` does: whatever is sent meanwhile waits for it.
    this.enqueue({ keys: [], size: 0, work, onError: (error) => this.signIn.refuse(error) });
  }

  onBinary(): void {
    this.#onBadFrame({ id: undefined, knownType: false, message: 'expected a text frame, got a binary one' });
  }

  onDrain(): void {
    this.#listings.resume();
    this.#attachments.resume();
  }

  onExpiring(expiresAt: number): void {
    this.#send({ type: 'expiring', expiresAt });
  }

  goaway(reconnectMs: number): void {
    this.#send({ type: 'goaway', reconnectMs });
  }

  protected onFirstText(text: string): void {
    const frame = parseAuthFrame(text);
    if (frame === undefined) return this.close(CLOSE_CODES.credential, 'expected `auth` first');
    this.#inTurn(frame, text.length);
  }

  protected parse(text: string): ClientFrame | undefined {
    const result = parseClientFrame(text);
    if (result.type === 'frame') return result.frame;
    this.#onBadFrame(result);
    return undefined;
  }

  protected handle(frame: ClientFrame, size: number): void {
    if (this.grant === undefined || !this.#isUrgent(frame)) return this.#inTurn(frame, size);
    try {
      this.#handleAtOnce(frame, this.grant);
      this.#ok(frame.id);
    } catch (error) {
      this.refuse(frame, error);
    }
  }

  protected leave(): void {
    this.#listings.close();
    this.#attachments.close();
  }

  /** A signal needs a session that is watched: one that is about to be is waited for. */
  #isUrgent(frame: ClientFrame): frame is AckFrame | PingFrame | SignalSendFrame {
    const { type } = frame;
    return (
      type === 'ack' || type === 'ping' || (type === 'signal' && this.#attachments.isReady(frame.session))
    );
  }

  #inTurn(frame: ClientFrame, size: number): void {
    const work = async (): Promise<void> => {
      if (frame.type === 'auth') return this.#onAuth(frame);
      if (this.grant === undefined) throw new SluiceError('unauthorized', 'expected `auth` first');
      this.#ok(frame.id, await this.#answer(frame, this.grant));
    };
    this.enqueue({ keys: keysOf(frame), size, work, onError: (error) => this.refuse(frame, error) });
  }

  async #answer(frame: ClientFrame, grant: Grant): Promise<Partial<OkFrame> | undefined> {
    switch (frame.type) {
      case 'subscribe':
        await this.#onSubscribe(frame, grant);
        return undefined;
      case 'unsubscribe':
        this.#attachments.detach(frame.session);
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
      case 'ping':
      case 'ack':
        this.#handleAtOnce(frame, grant);
        return undefined;
      case 'auth':
        return undefined;
    }
  }

  #handleAtOnce(frame: PingFrame | AckFrame | SignalSendFrame, grant: Grant): void {
    if (frame.type === 'ping') return this.#send({ type: 'pong' });
    if (frame.type === 'signal') return this.#onSignal(frame, grant);
    if (!this.#attachments.onAck(frame.session, frame.generation, frame)) throw notSubscribed();
  }

  async #onAuth({ token, id }: AuthFrame): Promise<void> {
    const old = this.grant;
    if (old === undefined) return this.#onFirstAuth(token, id);
    const grant = await this.signIn.renew(token, old);
    if (grant === undefined) return;
    this.#ok(id);
    this.#dropUncovered(grant);
    this.#attachments.govern(mayGovern(grant));
  }

  async #onFirstAuth(token: string, id: string | undefined): Promise<void> {
    try {
      const grant = await this.signIn.enter(token);
      if (grant === undefined) return;
      this.#welcome(grant);
      this.#ok(id);
    } catch (error) {
      if (id !== undefined) this.refuse({ type: 'auth', token: '', id }, error);
      this.signIn.refuse(error);
    }
  }

  #welcome({ user, org, expiresAt }: Grant): void {
    const { limits, heartbeatMs } = this.context;
    this.#send({ type: 'ready', connection: this.id, user, org, expiresAt, heartbeatMs, limits });
  }

  protected leaveClosed(grant: Grant): void {
    const closed = this.#attachments.sessions.filter((session) => grant.standing.closes(session));
    this.#dropUncovered(grant, closed);
  }

  /** After a refresh: sessions that the new grant does not cover are left (R6). */
  #dropUncovered(grant: Grant, sessions = this.#attachments.sessions): void {
    for (const session of sessions) {
      try {
        openSession(grant, session, 'read');
      } catch (error) {
        this.#attachments.detach(session);
        this.refuse({ type: 'unsubscribe', session }, error);
      }
    }
  }

  async #onSubscribe(frame: SubscribeFrame, grant: Grant): Promise<void> {
    openSession(grant, frame.session, 'read');
    const { rev = 0, store } = frame;
    await this.#watch(frame, (viewer) => this.#attachments.subscribe(viewer, { rev, store }));
  }

  /** Makes a viewer in its turn, for the credential that counts by then (R6). */
  #watch(frame: Watch, attach: (viewer: Viewer) => Promise<void>): Promise<void> {
    return this.#listings.run(async () => {
      if (this.grant !== undefined) await attach(this.#viewer(frame, this.grant));
    });
  }

  #viewer(frame: Watch, grant: Grant): Viewer {
    const key = openSession(grant, frame.session, 'read');
    const { limits } = this.context;
    const { positions = {}, observe = false, window = limits.defaultWindow } = frame;
    const named = Object.entries(positions);
    if (named.length > limits.maxItemsPerSession)
      throw new SluiceError('too_large', `\`positions\`: expected at most ${limits.maxItemsPerSession}`);
    if (!this.#attachments.has(key.session) && this.#attachments.size >= limits.maxSessionsPerConnection)
      throw new SluiceError('quota_exceeded', `expected at most ${limits.maxSessionsPerConnection} sessions`);
    return new Viewer({
      key,
      ref: { user: grant.user, connection: this.id },
      sink: this.socket,
      window,
      observe,
      positions: new Map(named),
      governs: mayGovern(grant),
    });
  }

  async #onPrompt(frame: PromptFrame, grant: Grant): Promise<Partial<OkFrame>> {
    const session = openSession(grant, frame.session, 'prompt');
    if (!this.#attachments.isAsked(frame.session) && allows(grant, 'read'))
      await this.#watch({ session: frame.session }, (viewer) =>
        this.#attachments.attach(viewer, NOTHING_KNOWN),
      );
    const key = { ...session, generation: parseGenerationId(frame.generation) };
    const { type: _type, id: _id, session: _session, generation, ...body } = frame;
    const { created } = await submitPrompt({ key, grant, body }, this.context);
    return { generation, created };
  }

  async #onCancel(frame: CancelFrame, grant: Grant): Promise<void> {
    const session = openSession(grant, frame.session);
    const generation = parseGenerationId(frame.generation);
    await cancelFor({ ...session, generation }, grant, this.context);
  }

  async #onMessage(frame: MessageFrame, grant: Grant): Promise<void> {
    const key = openSession(grant, frame.session, 'prompt');
    await postMessage(key, { ...frame, user: grant.user }, this.context.admission);
  }

  #onSignal({ session, data }: SignalSendFrame, grant: Grant): void {
    const attached = this.#attachments.of(session);
    if (attached === undefined) throw notSubscribed();
    openSession(grant, session, 'signal');
    if (session.startsWith(RESERVED_PREFIX))
      throw new SluiceError('forbidden', 'nobody signals into this session');
    const { limits, signals, clock } = this.context;
    const bytes = Buffer.byteLength(JSON.stringify(data ?? null));
    if (bytes > limits.maxSignalBytes)
      throw new SluiceError('too_large', `\`data\`: expected at most ${limits.maxSignalBytes} bytes`);
    const retryAfterMs = signals.take(grant, (bytes + SIGNAL_HEAD_BYTES) * attached.feed.reach, clock.now());
    if (retryAfterMs > 0)
      throw new SluiceError('rate_limited', 'too many bytes of signals', { retryAfterMs });
    attached.feed.signal(attached.viewer, data);
  }

  #onBadFrame(bad: { id: string | undefined; knownType: boolean; message: string }): void {
    const re = bad.id === undefined ? {} : { re: bad.id };
    this.#sendError({ type: 'error', ...re, code: 'bad_frame', message: bad.message, retryable: false });
    if (bad.knownType) return;
    const now = this.context.clock.now();
    this.#unknownTypes = [...this.#unknownTypes.filter((at) => now - at < 60_000), now];
    if (this.#unknownTypes.length >= UNKNOWN_TYPES_PER_MINUTE)
      this.close(CLOSE_CODES.badFrames, 'three frames that are none of the protocol');
  }

  protected refuse(frame: ClientFrame, error: unknown): void {
    if (!this.isClosed) this.#sendError(refusalOf(frame, this.explain(error, frame.type)));
  }

  protected refuseUnread(error: SluiceError): void {
    this.#sendError(refusalOf({}, error));
  }

  #sendError(frame: ErrorFrame): void {
    this.countError(frame.code);
    this.#send(frame);
  }

  #ok(id: string | undefined, extra: Partial<OkFrame> = {}): void {
    if (id !== undefined) this.#send({ ...extra, type: 'ok', re: id });
  }

  #send(frame: Parameters<typeof encodeFrame>[0]): void {
    if (!this.isClosed) this.socket.send(encodeFrame(frame));
  }
}

const notSubscribed = (): SluiceError => new SluiceError('not_found', 'subscribe to the session first');

/** What of a `subscribe` a viewer is made of. */
type Watch = Pick<SubscribeFrame, 'session'> & Partial<SubscribeFrame>;

/** What keeps a frame's order: a session, a generation for its cancel, and nothing comes before its credential. */
const keysOf = (frame: ClientFrame): readonly string[] => {
  switch (frame.type) {
    case 'auth':
      return [];
    case 'ping':
      return ['.'];
    case 'cancel':
      return [generationOf(frame)];
    case 'prompt':
      return [frame.session, generationOf(frame)];
    default:
      return [frame.session];
  }
};

const generationOf = ({ session, generation }: PromptFrame | CancelFrame): string =>
  `${session}.${generation}`;
