import { CLOSE_CODES } from '@sluice/protocol';
import type { Limits } from '@sluice/protocol';
import type { Clock } from './clock.ts';
import { EdgeConnection } from './connection/edge-connection.ts';
import type { ConnectionOptions } from './connection/edge-connection.ts';
import type { Status } from './connection/status.ts';
import { Emitter } from './emitter.ts';
import type { Listener } from './emitter.ts';
import { ClosedError } from './errors.ts';
import type { AckPolicy } from './generation/ack-schedule.ts';
import { SessionSubscription } from './session/session-subscription.ts';
import { checkId, Session } from './session/session.ts';

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
  readonly #connection: EdgeConnection;
  readonly #clock: Clock;
  readonly #window: number;
  readonly #ack: AckPolicy;
  readonly #events = new Emitter<ClientEvents>();
  readonly #sessions = new Map<string, Session>();
  #ready: Ready | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: ClientOptions) {
    this.#clock = options.clock;
    this.#window = options.window;
    this.#ack = options.ack;
    this.#connection = new EdgeConnection(options, {
      status: (status) => this.#events.emit('status', status),
      ready: ({ user, org, connection, limits }) => (this.#ready = { user, org, connection, limits }),
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
    checkId('session', id);
    const known = this.#sessions.get(id);
    if (known !== undefined) return known;
    const connection = this.#connection;
    const subscription = new SessionSubscription(id, {
      clock: this.#clock,
      connection,
      window: this.#window,
    });
    const leave = connection.join(id, subscription);
    const forget = (): void => {
      if (this.#sessions.get(id) !== session) return;
      this.#sessions.delete(id);
      leave();
    };
    const session = new Session({ subscription, connection, ack: this.#ack, forget });
    this.#sessions.set(id, session);
    return session;
  }

  /** Closes for good: whatever is pending rejects with ClosedError; generations go on at the server. */
  close(): Promise<void> {
    this.#closing ??= this.#connection.close(CLOSE_CODES.normal, 'closed by the application');
    return this.#closing;
  }
}
