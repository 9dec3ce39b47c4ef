import { CLOSE_CODES, DEFAULT_LIMITS } from '@sluice/protocol';
import type { ClientFrame, ErrorFrame, OkFrame, ReadyFrame, ServerFrame } from '@sluice/protocol';
import type { Clock } from '../clock.ts';
import { ClosedError, ProtocolError, RequestError } from '../errors.ts';
import type { Dial, Dialing } from '../link/dialer.ts';
import { EdgeLink } from '../link/edge-link.ts';
import type { LargePrompt } from '../link/large-prompt.ts';
import { ABNORMAL } from '../link/transport.ts';
import type { Transport, TransportListener } from '../link/transport.ts';
import type { Upgrade } from '../link/upgrade.ts';
import type { Credential } from './credential.ts';
import { Outbox } from './outbox.ts';
import { watchPage } from './page-events.ts';
import type { Page } from './page-events.ts';
import type { Backoff, ReconnectAction, ReconnectState } from './reconnect-state.ts';
import { Reconnector } from './reconnector.ts';
import { Requests } from './requests.ts';
import type { Answered, Request } from './requests.ts';
import type { SessionFrame, SessionListener } from './session-listener.ts';
import { sameStatus, statusOf } from './status.ts';
import type { Status } from './status.ts';

/** Begins to look for a better transport than the one in use. */
export type StartUpgrade = (found: (transport: Transport, ready: ReadyFrame) => void) => Promise<Upgrade>;

export type ConnectionOptions = {
  readonly url: string;
  readonly credential: Credential;
  readonly backoff: Backoff;
  readonly clock: Clock;
  readonly page: Page;
  readonly dial: Dial;
  readonly upload: (prompt: Omit<LargePrompt, 'fetch'>) => Promise<OkFrame | ErrorFrame>;
  /** undefined when there is only one transport */
  readonly startUpgrade: StartUpgrade | undefined;
};

/** What the connection tells the client. */
export interface ConnectionListener {
  status(status: Status): void;
  ready(ready: ReadyFrame): void;
  error(error: Error): void;
}

/**
 * The way to an edge for all sessions: keeps one link alive, one after another, as the reconnect machine says,
 * and passes frames between it and whoever they belong to.
 */
export class EdgeConnection {
  readonly #options: ConnectionOptions;
  readonly #listener: ConnectionListener;
  readonly #requests: Requests;
  readonly #sessions = new Map<string | undefined, SessionListener>();
  readonly #reconnector: Reconnector;
  readonly #unwatch: () => void;
  #status: Status = { type: 'connecting' };
  #closed: ClosedError | undefined;
  #dialing: Dialing | undefined;
  #link: EdgeLink | undefined;
  #outbox: Outbox | undefined;
  /** while a better transport than the link's is looked for */
  #upgrade: Upgrade | undefined;
  #ready: ReadyFrame | undefined;
  /** counts openings and droppings, so that a token that comes too late is noticed */
  #turn = 0;
  /** resolves when what was dropped last is closed */
  #dropped: Promise<void> | undefined;

  constructor(options: ConnectionOptions, listener: ConnectionListener) {
    const { clock, backoff, credential, page } = options;
    this.#options = options;
    this.#listener = listener;
    this.#requests = new Requests({
      clock,
      transmit: (frame) => this.send(frame),
      upload: async (frame) => options.upload({ url: options.url, token: await credential.current(), frame }),
    });
    this.#reconnector = new Reconnector({
      clock,
      backoff,
      refreshable: credential.refreshable,
      changed: (before, after) => this.#changed(before, after),
      perform: (action) => this.#perform(action),
    });
    this.#unwatch = watchPage(page, (type) => {
      this.#reconnector.step({ type });
      if (type === 'online') this.#upgrade?.hurry();
    });
  }

  get status(): Status {
    return this.#status;
  }

  get isLive(): boolean {
    return this.#reconnector.state.type === 'live';
  }

  /** why nothing will ever come again */
  get closed(): ClosedError | undefined {
    return this.#closed;
  }

  start(): void {
    this.#reconnector.step({ type: 'start' });
  }

  /** Frames of this session go to its listener until the returned function is called. */
  join(session: string, listener: SessionListener): () => void {
    this.#sessions.set(session, listener);
    return () => void this.#sessions.delete(session);
  }

  /** @returns false when there is no live link; nothing is kept for later */
  send(frame: ClientFrame): boolean {
    if (!this.isLive) return false;
    this.#outbox?.push(frame);
    return true;
  }

  /** As {@link Requests.send}. */
  ask(request: Request, answered: Answered): void {
    if (this.#closed === undefined) this.#requests.send(request, answered);
    else answered.reject(this.#closed);
  }

  /** @throws RequestError, ClosedError */
  request(request: Request): Promise<OkFrame> {
    return new Promise((resolve, reject) => this.ask(request, { resolve, reject }));
  }

  /** Resolves when the link is closed or its peer did not answer for 2 s. Idempotent. */
  async close(code: number, reason: string): Promise<void> {
    this.#reconnector.step({ type: 'close', code, reason });
    await this.#dropped;
  }

  #changed(before: ReconnectState, after: ReconnectState): void {
    if (before.type === 'live' && after.type !== 'live') this.#lost();
    // Before the status: an application that acts on `live` must find everything resumed already.
    if (before.type !== 'live' && after.type === 'live' && this.#ready) this.#resume(this.#ready);
    const status = statusOf(after, this.#options.clock.now(), this.#link?.kind);
    if (sameStatus(status, this.#status)) return;
    this.#status = status;
    if (status.type === 'closed') this.#end(new ClosedError(status.code, status.reason));
    this.#listener.status(status);
  }

  #lost(): void {
    this.#upgrade?.stop();
    this.#upgrade = undefined;
    this.#outbox?.stop();
    this.#requests.lost();
    for (const session of this.#sessions.values()) session.lost();
  }

  #resume(ready: ReadyFrame): void {
    this.#listener.ready(ready);
    // Sessions first: what a repeated prompt starts is then already watched.
    for (const session of this.#sessions.values()) session.live();
    this.#requests.live(ready.limits);
    if (this.#link?.kind !== 'websocket') void this.#lookForBetter();
  }

  #end(error: ClosedError): void {
    this.#closed = error;
    this.#unwatch();
    this.#requests.fail(error);
    for (const session of this.#sessions.values()) session.closed(error);
  }

  #perform(action: ReconnectAction): void {
    if (action.type === 'probe') return this.#link?.probe(action.deadlineMs);
    this.#turn += 1;
    const [dialing, link] = [this.#dialing, this.#link];
    this.#dialing = undefined;
    this.#link = undefined;
    if (action.type === 'open') void this.#open(action.freshToken);
    else this.#dropped = (link ?? dialing)?.close(action.code, action.reason);
  }

  async #open(freshToken: boolean): Promise<void> {
    const { credential, url, dial } = this.#options;
    const turn = this.#turn;
    try {
      const token = await (freshToken ? credential.fresh() : credential.current());
      if (turn !== this.#turn) return;
      this.#reconnector.step({ type: 'opening' });
      this.#dialing = dial(
        { url, token },
        {
          ...this.#linkListener,
          ready: (transport, ready) => {
            this.#take(transport, ready);
            this.#reconnector.step({ type: 'ready' });
          },
        },
      );
    } catch (cause) {
      if (turn !== this.#turn) return;
      const error = errorOf(cause);
      this.#listener.error(error);
      this.#reconnector.step({ type: 'lost', code: ABNORMAL, reason: `cannot open: ${error.message}` });
    }
  }

  #take(transport: Transport, ready: ReadyFrame): ReadyFrame {
    const { clock } = this.#options;
    // A server of an earlier version names fewer limits.
    const limits = { ...DEFAULT_LIMITS, ...ready.limits };
    this.#dialing = undefined;
    this.#ready = { ...ready, limits };
    this.#link = new EdgeLink({ transport, ready, clock, listener: this.#linkListener });
    this.#outbox = new Outbox({ clock, transport, ...limits });
    return this.#ready;
  }

  async #lookForBetter(): Promise<void> {
    const turn = this.#turn;
    const upgrade = await this.#options.startUpgrade?.((transport, ready) => this.#move(transport, ready));
    if (turn === this.#turn && this.isLive) this.#upgrade = upgrade;
    else upgrade?.stop();
  }

  /**
   * A better transport is ready: it takes over as after a reconnect, from the positions reached, only that
   * nobody waits for it. The old one is let go last, so that its viewers are never missed.
   */
  #move(transport: Transport, ready: ReadyFrame): void {
    const old = this.#link;
    this.#turn += 1;
    this.#lost();
    this.#resume(this.#take(transport, ready));
    this.#reconnector.step({ type: 'moved' });
    void old?.close(CLOSE_CODES.normal, 'moved');
  }

  readonly #receive = (frame: ServerFrame): void => {
    try {
      if ('session' in frame && frame.type !== 'error' && frame.type !== 'title')
        this.#sessionOf(frame)?.receive(frame);
      else this.#control(frame);
    } catch (cause) {
      // What listeners throw does not get here: whatever cannot be made sense of is the frame's fault.
      const error = cause instanceof ProtocolError ? cause : new ProtocolError(String(cause), { cause });
      this.#sessionOf(frame)?.failed(error);
      this.#violated(error);
    }
  };

  readonly #linkListener: TransportListener = {
    frame: this.#receive,
    broken: (error) => this.#violated(error),
    closed: (code, reason) => this.#reconnector.step({ type: 'lost', code, reason }),
  };

  #control(frame: Exclude<ServerFrame, SessionFrame>): void {
    switch (frame.type) {
      case 'ok':
        this.#requests.answer(frame);
        return;
      case 'error':
        if (!this.#requests.answer(frame)) this.#report(frame);
        return;
      case 'goaway':
        this.#reconnector.step(frame);
        return;
      case 'expiring':
        void this.#refresh();
        return;
      default:
    }
  }

  #report(frame: ErrorFrame): void {
    const error = new RequestError(frame);
    const session = this.#sessionOf(frame);
    if (session === undefined) this.#listener.error(error);
    else session.failed(error, frame.generation);
  }

  #sessionOf(frame: ServerFrame): SessionListener | undefined {
    return 'session' in frame ? this.#sessions.get(frame.session) : undefined;
  }

  #violated(error: ProtocolError): void {
    this.#listener.error(error);
    this.#reconnector.step({ type: 'violated', reason: error.message });
  }

  /** Renews the credential in place. When that fails, the server closes 4401 and the machine has its policy. */
  async #refresh(): Promise<void> {
    const { credential } = this.#options;
    const link = this.#link;
    if (!credential.refreshable) return;
    try {
      const token = await credential.fresh();
      if (this.#link === link) this.send({ type: 'auth', token });
    } catch (cause) {
      this.#listener.error(errorOf(cause));
    }
  }
}

/** What an application's function threw. */
const errorOf = (cause: unknown): Error => (cause instanceof Error ? cause : new Error(String(cause)));
