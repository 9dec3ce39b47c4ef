import { CLOSE_CODES, DEFAULT_LIMITS, isId } from '@sluice/protocol';
import type { ErrorFrame, Limits, ReadyFrame, ServerFrame } from '@sluice/protocol';
import type { AckPolicy } from './generation/acker.ts';
import { Attachment } from './session/attachment.ts';
import type { SessionFrame, Wire } from './session/attachment.ts';
import type { Clock } from './clock.ts';
import { Connection } from './connection/connection.ts';
import type { ConnectionOptions } from './connection/connection.ts';
import { Emitter } from './emitter.ts';
import type { Listener } from './emitter.ts';
import { ClosedError, ProtocolError, RequestError } from './errors.ts';
import { Requests } from './connection/requests.ts';
import { Session } from './session/session.ts';
import type { Status } from './connection/status.ts';

/** Who the server took us for. */
export type Ready = {
  readonly user: string;
  readonly org: string;
  /** this connection's id, new after each reconnect */
  readonly connection: string;
  readonly limits: Limits;
};

export type ClientEvents = {
  readonly status: Status;
  /** what no promise reports: a token that could not be fetched, a server that broke the protocol */
  readonly error: Error;
};

export type ClientOptions = ConnectionOptions & {
  readonly window: number;
  readonly ack: AckPolicy;
};

/**
 * One connection to an edge, for any number of sessions. It reconnects by itself, and everything in it goes on
 * from where it was; only `closed` is final. Made by `connect`.
 */
export class Client {
  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #window: number;
  readonly #ack: AckPolicy;
  readonly #events = new Emitter<ClientEvents>();
  readonly #requests: Requests;
  readonly #attachments = new Map<string, Attachment>();
  readonly #sessions = new Map<string, Session>();
  #ready: Ready | undefined;
  #closed: ClosedError | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: ClientOptions) {
    this.#clock = options.clock;
    this.#window = options.window;
    this.#ack = options.ack;
    this.#requests = new Requests({
      clock: options.clock,
      transmit: (frame) => this.#connection.send(frame),
    });
    this.#connection = new Connection(options, {
      status: (status) => this.#changed(status),
      live: (ready) => this.#live(ready),
      lost: () => this.#lost(),
      frame: (frame) => this.#receive(frame),
      error: (error) => this.#events.emit('error', error),
    });
    this.#connection.start();
  }

  get status(): Status {
    return this.#connection.status;
  }

  /** As of the newest connection; undefined before the first. */
  get ready(): Ready | undefined {
    return this.#ready;
  }

  /** @returns the function that removes the listener */
  on<Name extends keyof ClientEvents>(name: Name, listener: Listener<ClientEvents[Name]>): () => void {
    return this.#events.on(name, listener);
  }

  /** Resolves when the connection is live, at once if it is. @throws ClosedError when it never will be */
  live(): Promise<Ready> {
    return new Promise((resolve, reject) => {
      const look = (status: Status): void => {
        if (status.type === 'live' && this.#ready !== undefined) resolve(this.#ready);
        else if (status.type === 'closed') reject(new ClosedError(status.code, status.reason));
        else return;
        remove();
      };
      const remove = this.on('status', look);
      look(this.status);
    });
  }

  /** The same object for the same id. @throws TypeError when the id cannot be one */
  session(id: string): Session {
    if (!isId(id)) throw new TypeError('session: expected 1-64 characters of A-Z a-z 0-9 _ -');
    const known = this.#sessions.get(id);
    if (known !== undefined) return known;
    const wire = this.#wire();
    const attachment = new Attachment(id, wire, this.#window);
    attachment.failure = this.#closed;
    const forget = (): void => {
      if (this.#attachments.get(id) !== attachment) return;
      this.#attachments.delete(id);
      this.#sessions.delete(id);
    };
    const session = new Session({ attachment, wire, ack: this.#ack, forget });
    this.#attachments.set(id, attachment);
    this.#sessions.set(id, session);
    return session;
  }

  /** Closes for good: whatever is pending rejects with ClosedError; generations go on at the server. */
  close(): Promise<void> {
    this.#closing ??= this.#connection.close(CLOSE_CODES.normal, 'closed by the application');
    return this.#closing;
  }

  #wire(): Wire {
    const isLive = (): boolean => this.#connection.isLive;
    return {
      clock: this.#clock,
      get isLive() {
        return isLive();
      },
      send: (frame) => this.#connection.send(frame),
      request: (request) =>
        this.#closed === undefined ? this.#requests.send(request) : Promise.reject(this.#closed),
    };
  }

  #changed(status: Status): void {
    if (status.type === 'closed') {
      this.#closed = new ClosedError(status.code, status.reason);
      this.#requests.fail(this.#closed);
      for (const attachment of this.#attachments.values()) attachment.fail(this.#closed);
    }
    this.#events.emit('status', status);
  }

  #live({ user, org, connection, limits }: ReadyFrame): void {
    this.#ready = { user, org, connection, limits: { ...DEFAULT_LIMITS, ...limits } };
    // Sessions first: what a repeated prompt starts is then already watched.
    for (const attachment of this.#attachments.values()) attachment.live();
    this.#requests.live(this.#ready.limits);
  }

  #lost(): void {
    this.#requests.lost();
    for (const attachment of this.#attachments.values()) attachment.lost();
  }

  /** @throws ProtocolError from the session the frame belongs to */
  #receive(frame: ServerFrame): void {
    switch (frame.type) {
      case 'ok':
        this.#requests.answer(frame);
        return;
      case 'error':
        if (!this.#requests.answer(frame)) this.#report(frame);
        return;
      case 'ready':
      case 'goaway':
      case 'expiring':
      case 'pong':
      case 'open':
      case 'close':
        return;
      default:
        this.#route(frame);
    }
  }

  #route(frame: SessionFrame): void {
    const attachment = this.#attachments.get(frame.session);
    try {
      attachment?.receive(frame);
    } catch (error) {
      if (error instanceof ProtocolError) attachment?.view.events.emit('error', error);
      throw error;
    }
  }

  #report(frame: ErrorFrame): void {
    const error = new RequestError(frame);
    const attachment = frame.session === undefined ? undefined : this.#attachments.get(frame.session);
    if (attachment === undefined) this.#events.emit('error', error);
    else attachment.view.events.emit('error', error);
  }
}
