import { CLOSE_CODES } from '@sluice/protocol';
import type { ClientFrame, ReadyFrame, ServerFrame } from '@sluice/protocol';
import type { Clock } from '../clock.ts';
import type { Credential } from './credential.ts';
import { ProtocolError } from '../errors.ts';
import { Link } from '../link/link.ts';
import type { LinkListener } from '../link/link.ts';
import { watchPage } from './page-events.ts';
import type { Page } from './page-events.ts';
import { INITIAL_STATE, step, untilOf } from './reconnect.ts';
import type { Backoff, ReconnectAction, ReconnectEvent, ReconnectState } from './reconnect.ts';
import { sameStatus, statusOf } from './status.ts';
import type { Status } from './status.ts';
import { ABNORMAL } from '../link/transport.ts';
import type { OpenTransport, Transport } from '../link/transport.ts';
import type { Upgrade } from '../link/upgrade.ts';

export type ConnectionOptions = {
  readonly url: string;
  readonly credential: Credential;
  readonly backoff: Backoff;
  readonly clock: Clock;
  readonly page: Page;
  readonly openTransport: OpenTransport;
  /** opens the best one alone, while `openTransport` makes do with others; undefined when there is one only */
  readonly openBest: OpenTransport | undefined;
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
  /** while a better transport than the link's is looked for */
  #upgrade: Upgrade | undefined;
  #ready: ReadyFrame | undefined;
  /** counts openings and droppings, so that a token that comes too late is noticed */
  #turn = 0;
  #cancelTimer: () => void = () => undefined;

  constructor(options: ConnectionOptions, listener: ConnectionListener) {
    this.#options = options;
    this.#listener = listener;
    this.#unwatch = watchPage(options.page, (type) => {
      this.#step({ type });
      if (type === 'online') this.#upgrade?.hurry();
    });
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
    if (before.type === 'live' && state.type !== 'live') {
      this.#upgrade?.stop();
      this.#upgrade = undefined;
      this.#listener.lost();
    }
    // Before the status: an application that acts on `live` must find everything resumed already.
    if (before.type !== 'live' && state.type === 'live' && this.#ready) {
      this.#listener.live(this.#ready);
      if (this.#link?.kind !== 'websocket') void this.#lookForBetter();
    }
    this.#report(statusOf(state, context.now, this.#link?.kind));
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
    const { credential, url, openTransport } = this.#options;
    const turn = this.#turn;
    try {
      const token = await (freshToken ? credential.fresh() : credential.current());
      if (turn !== this.#turn) return;
      this.#step({ type: 'opening' });
      this.#link = this.#newLink(openTransport({ url, token }), this.#linkListener());
    } catch (cause) {
      if (turn !== this.#turn) return;
      const error = cause instanceof Error ? cause : new Error(String(cause));
      this.#listener.error(error);
      this.#step({ type: 'lost', code: ABNORMAL, reason: `cannot open: ${error.message}` });
    }
  }

  #newLink(transport: Transport, listener: LinkListener): Link {
    return new Link({ transport, clock: this.#options.clock, listener });
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

  async #lookForBetter(): Promise<void> {
    const { openBest, backoff } = this.#options;
    if (openBest === undefined) return;
    const turn = this.#turn;
    // It is here already: the link's transport came with it.
    const { Upgrade } = await import('../fallback.ts');
    if (turn !== this.#turn || !this.isLive) return;
    this.#upgrade = new Upgrade({
      ...this.#options,
      openBest,
      upgradeMs: backoff.upgradeMs,
      link: (transport, listener) => this.#newLink(transport, listener),
      found: (link, ready) => this.#move(link, ready),
    });
  }

  /**
   * A better link is ready: it takes over as after a reconnect, from the positions reached, only that nobody
   * waits for it. The old one is let go last, so that its viewers are never missed.
   */
  #move(link: Link, ready: ReadyFrame): void {
    const old = this.#link;
    this.#turn += 1;
    this.#upgrade = undefined;
    this.#link = link;
    this.#ready = ready;
    link.handOver(this.#linkListener());
    this.#listener.lost();
    this.#listener.live(ready);
    this.#step({ type: 'moved' });
    old?.close(CLOSE_CODES.normal, 'moved to another transport');
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
