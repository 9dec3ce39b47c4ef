import { CLOSE_CODES } from '@sluice/protocol';
import type { ClientFrame, ReadyFrame, ServerFrame } from '@sluice/protocol';
import type { Clock } from './clock.ts';
import type { Credential } from './credential.ts';
import { ProtocolError } from './errors.ts';
import { Link } from './link.ts';
import type { LinkListener } from './link.ts';
import { watchPage } from './page-events.ts';
import type { Page } from './page-events.ts';
import { INITIAL_STATE, step, untilOf } from './reconnect.ts';
import type { Backoff, ReconnectAction, ReconnectEvent, ReconnectState } from './reconnect.ts';
import { sameStatus, statusOf } from './status.ts';
import type { Status } from './status.ts';
import type { OpenTransport } from './transport.ts';

export type ConnectionOptions = {
  readonly url: string;
  readonly credential: Credential;
  readonly backoff: Backoff;
  readonly clock: Clock;
  readonly page: Page;
  readonly openTransport: OpenTransport;
};

/** What the connection tells the client. */
export interface ConnectionListener {
  status(status: Status): void;
  live(ready: ReadyFrame): void;
  /** The link is gone: whatever was asked on it will not be answered. */
  lost(): void;
  /** @throws ProtocolError to have the link dropped and everything resumed from the last good position */
  frame(frame: ServerFrame): void;
  error(error: Error): void;
}

const ABNORMAL = 1006;

/**
 * Keeps one link alive, one after another, as the reconnect machine says: it turns what happens into events,
 * carries out the actions, and owns the machine's one timer.
 */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #listener: ConnectionListener;
  readonly #unwatch: () => void;
  #state: ReconnectState = INITIAL_STATE;
  #status: Status = { type: 'connecting' };
  #link: Link | undefined;
  #ready: ReadyFrame | undefined;
  /** counts openings and droppings, so that a token that comes too late is noticed */
  #turn = 0;
  #cancelTimer: () => void = () => undefined;

  constructor(options: ConnectionOptions, listener: ConnectionListener) {
    this.#options = options;
    this.#listener = listener;
    this.#unwatch = watchPage(options.page, (type) => this.#step({ type }));
  }

  get status(): Status {
    return this.#status;
  }

  get isLive(): boolean {
    return this.#state.type === 'live';
  }

  start(): void {
    this.#step({ type: 'start' });
  }

  /** @returns false when there is no live link; nothing is kept for later */
  send(frame: ClientFrame): boolean {
    if (!this.isLive) return false;
    this.#link?.send(frame);
    return true;
  }

  /** Resolves when the link is closed or its peer did not answer for 2 s. Idempotent. */
  async close(code: number, reason: string): Promise<void> {
    const link = this.#link;
    this.#step({ type: 'close', code, reason });
    await link?.closed;
  }

  #step(event: ReconnectEvent): void {
    const { clock, backoff, credential } = this.#options;
    const context = {
      now: clock.now(),
      random: clock.random(),
      backoff,
      refreshable: credential.refreshable,
    };
    const before = this.#state;
    const { state, actions } = step(before, event, context);
    this.#state = state;
    if (untilOf(state) !== untilOf(before)) this.#arm(untilOf(state));
    if (state.type === 'closed') this.#unwatch();
    if (before.type === 'live' && state.type !== 'live') this.#listener.lost();
    // Before the status: an application that acts on `live` must find everything resumed already.
    if (before.type !== 'live' && state.type === 'live' && this.#ready) this.#listener.live(this.#ready);
    this.#report(statusOf(state, context.now));
    for (const action of actions) this.#perform(action);
  }

  #report(status: Status): void {
    if (sameStatus(status, this.#status)) return;
    this.#status = status;
    this.#listener.status(status);
  }

  #arm(until: number | undefined): void {
    this.#cancelTimer();
    if (until === undefined) return;
    const { clock } = this.#options;
    // A timer may fire a moment early by the other clock; the machine would ignore it, so look again.
    this.#cancelTimer = clock.after(Math.max(0, Math.ceil(until - clock.now())), () => {
      if (clock.now() < until) this.#arm(until);
      else this.#step({ type: 'due' });
    });
  }

  #perform(action: ReconnectAction): void {
    switch (action.type) {
      case 'open':
        this.#turn += 1;
        this.#link = undefined;
        void this.#open(action.freshToken);
        return;
      case 'drop':
        this.#turn += 1;
        this.#link?.close(action.code, action.reason);
        this.#link = undefined;
        return;
      case 'probe':
        this.#link?.probe(action.deadlineMs);
        return;
    }
  }

  async #open(freshToken: boolean): Promise<void> {
    const { credential, url, openTransport, clock } = this.#options;
    const turn = this.#turn;
    try {
      const token = await (freshToken ? credential.fresh() : credential.current());
      if (turn !== this.#turn) return;
      this.#step({ type: 'opening' });
      const transport = openTransport({ url, token });
      this.#link = new Link({ transport, clock, listener: this.#linkListener() });
    } catch (cause) {
      if (turn !== this.#turn) return;
      const error = cause instanceof Error ? cause : new Error(String(cause));
      this.#listener.error(error);
      this.#step({ type: 'lost', code: ABNORMAL, reason: `cannot open: ${error.message}` });
    }
  }

  #linkListener(): LinkListener {
    return {
      frame: (frame) => this.#receive(frame),
      broken: (error) => this.#violated(error),
      closed: (code, reason) => this.#step({ type: 'lost', code, reason }),
      dead: () => {
        this.#link?.close(CLOSE_CODES.heartbeatMissed, 'no answer to a ping');
        this.#step({ type: 'lost', code: CLOSE_CODES.heartbeatMissed, reason: 'no answer to a ping' });
      },
    };
  }

  #receive(frame: ServerFrame): void {
    try {
      switch (frame.type) {
        case 'ready':
          this.#ready = frame;
          this.#step({ type: 'ready' });
          return;
        case 'goaway':
          this.#step({ type: 'goaway', reconnectMs: frame.reconnectMs });
          return;
        case 'expiring':
          void this.#refresh();
          return;
        case 'pong':
          return;
        default:
          this.#listener.frame(frame);
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#violated(error);
    }
  }

  #violated(error: ProtocolError): void {
    this.#listener.error(error);
    this.#step({ type: 'violated', reason: error.message });
  }

  /** Renews the credential in place. When that fails, the server closes 4401 and the machine has its policy. */
  async #refresh(): Promise<void> {
    const { credential } = this.#options;
    const link = this.#link;
    if (!credential.refreshable) return;
    try {
      const token = await credential.fresh();
      if (this.#link === link) link?.send({ type: 'auth', token });
    } catch (cause) {
      this.#listener.error(cause instanceof Error ? cause : new Error(String(cause)));
    }
  }
}
