import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock, Logger } from '@sluice/runtime';
import { AddressBudgets } from './address-budgets.ts';
import { ClientAddresses } from './client-addresses.ts';
import type { AddressOptions } from './client-addresses.ts';
import { Strangers } from './strangers.ts';
import type { Stranger, StrangerLimits } from './strangers.ts';

/** A refused credential costs its address this much: as many requests that bring none. */
const REFUSED_COST = 10;
/** Requests of somebody known that may be under way on one connection; of a stranger it is one. */
const MAX_PIPELINED = 16;
/** What was turned away is logged at most this often, ms. */
const LOG_INTERVAL_MS = 60_000;
const RETRY_AFTER_S = 10;

/** Why a connection was not taken, or a request not looked at; a label of the metric. */
type TurnedAway = 'address' | 'full' | 'descriptors' | 'pipelined' | 'stranger';

export type PublicSocketsOptions = AddressOptions &
  StrangerLimits & {
    /** connections of those who have signed in */
    readonly maxConnections: number;
    readonly strangerRequestsPerMinute: number;
  };

export type PublicSocketsDeps = {
  readonly clock: Clock;
  readonly logger: Logger;
  /** by reason */
  readonly turnedAway: { add(reason: TurnedAway): void };
};

/** One TCP connection of the public port. */
type Entry = {
  readonly socket: Socket;
  readonly isProxy: boolean;
  /** whose its newest request is */
  address: string;
  /** taken from that address, and given back once it shows a credential */
  cost: number;
  /** under way */
  requests: number;
  /** in the strangers' pool */
  stranger: Stranger | undefined;
};

/**
 * Every TCP connection of the public port, whatever it carries. Who has shown a credential has one of the edge's places;
 * everybody else is a stranger, and may ask little. Connections that carry nothing are closed where places are needed.
 */
export class PublicSockets {
  readonly #options: PublicSocketsOptions;
  readonly #deps: PublicSocketsDeps;
  readonly #addresses: ClientAddresses;
  readonly #budgets: AddressBudgets;
  readonly #strangers: Strangers;
  readonly #entries = new Map<Socket, Entry>();
  /** of somebody known, between two requests; the longest silent first */
  readonly #idle = new Set<Entry>();
  /** one for all sockets, which it is called on */
  readonly #onClose: (this: Socket) => void;
  #descriptors = Infinity;
  #loggedAt = -Infinity;

  constructor(options: PublicSocketsOptions, deps: PublicSocketsDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#addresses = new ClientAddresses(options);
    this.#budgets = new AddressBudgets(options.strangerRequestsPerMinute);
    this.#strangers = new Strangers(options);
    const forget = (socket: Socket): void => this.#forget(socket);
    this.#onClose = function onClose() {
      forget(this);
    };
  }

  get strangers(): number {
    return this.#strangers.size;
  }

  /** Connections that may be open at once: the places of those who signed in, and of those who did not. */
  get most(): number {
    const { maxConnections, maxStrangers } = this.#options;
    return maxConnections + maxStrangers;
  }

  /** The process has no more descriptors than these for connections. */
  limitDescriptors(most: number): void {
    this.#descriptors = most;
  }

  /** A connection has come; it may be gone at once. */
  accept(socket: Socket): void {
    const address = this.#addresses.ofPeer(socket);
    const isProxy = this.#addresses.isProxy(socket);
    const now = this.#deps.clock.now();
    if (!isProxy && !this.#budgets.take(address, 1, now)) return this.#turnAway(socket, 'address');
    if (!this.#makeRoom())
      return this.#turnAway(socket, this.#descriptors < this.most ? 'descriptors' : 'full');
    const entry: Entry = {
      socket,
      isProxy,
      address,
      cost: isProxy ? 0 : 1,
      requests: 0,
      stranger: undefined,
    };
    this.#entries.set(socket, entry);
    socket.on('close', this.#onClose);
    // What a proxy keeps open is not anybody's yet.
    if (!isProxy) this.#enterStranger(entry, () => socket.destroy());
  }

  /** A request has come. @returns false: it was answered, or its connection is gone */
  takeRequest(request: IncomingMessage, response: ServerResponse): boolean {
    const entry = this.#entries.get(request.socket);
    if (entry === undefined) return true;
    // What comes in one piece could be a thousand requests, and all of them are parsed before the socket is looked at.
    if (entry.requests >= (entry.stranger === undefined ? MAX_PIPELINED : 1)) {
      this.#budgets.charge(entry.address, REFUSED_COST, this.#deps.clock.now());
      if (!entry.socket.destroyed) this.#turnAway(entry.socket, 'pipelined');
      return false;
    }
    this.#idle.delete(entry);
    entry.requests += 1;
    response.once('close', () => {
      entry.requests -= 1;
      const isIdle = entry.requests === 0 && entry.stranger === undefined;
      if (isIdle && this.#entries.has(entry.socket)) this.#idle.add(entry);
    });
    if (this.#charge(entry, request)) return true;
    response.writeHead(429, { connection: 'close', 'retry-after': String(RETRY_AFTER_S) }).end();
    return false;
  }

  /** A request to upgrade has come. @returns false: its address has asked too much */
  takeUpgrade(request: IncomingMessage): boolean {
    const entry = this.#entries.get(request.socket);
    return entry === undefined || this.#charge(entry, request);
  }

  /** The connection carries something else than requests from now on. @param cut ends it */
  upgraded(socket: Socket, cut: () => void): void {
    const entry = this.#entries.get(socket);
    if (entry === undefined) return;
    this.#leaveStrangers(entry);
    this.#enterStranger(entry, cut);
  }

  /** Its client has shown a credential that was accepted. */
  know(socket: Socket): void {
    const entry = this.#entries.get(socket);
    if (entry === undefined) return;
    this.#budgets.giveBack(entry.address, entry.cost, this.#deps.clock.now());
    entry.cost = 0;
    this.#leaveStrangers(entry);
  }

  /** Its client has shown one that was not. */
  refused(socket: Socket): void {
    const entry = this.#entries.get(socket);
    if (entry !== undefined) this.#budgets.charge(entry.address, REFUSED_COST, this.#deps.clock.now());
  }

  /** Whether more may be read of strangers' first frames. */
  get hasRoom(): boolean {
    return this.#strangers.hasRoom;
  }

  /** So much of a stranger's first frame is in memory, bytes. */
  hold(socket: Socket, bytes: number): void {
    const stranger = this.#entries.get(socket)?.stranger;
    if (stranger !== undefined) this.#strangers.hold(stranger, bytes);
  }

  tick(now: number): void {
    this.#strangers.trim(now);
  }

  #charge(entry: Entry, request: IncomingMessage): boolean {
    const address = this.#addresses.of(request);
    if (address !== entry.address) Object.assign(entry, { address, cost: 0 });
    const isTaken = this.#budgets.take(address, 1, this.#deps.clock.now());
    if (isTaken) entry.cost += 1;
    else this.#count('address');
    return isTaken;
  }

  /** @returns false: everybody here is somebody */
  #makeRoom(): boolean {
    const most = Math.min(this.most, this.#descriptors);
    while (this.#entries.size >= most) {
      const [idle] = this.#idle;
      if (idle === undefined) {
        if (!this.#strangers.cutOne()) return false;
        continue;
      }
      this.#forget(idle.socket);
      idle.socket.destroy();
    }
    return true;
  }

  #enterStranger(entry: Entry, cut: () => void): void {
    const stranger: Stranger = {
      address: entry.address,
      since: this.#deps.clock.now(),
      cut: () => {
        this.#count('stranger');
        this.#forget(entry.socket);
        cut();
      },
    };
    entry.stranger = stranger;
    this.#strangers.add(stranger);
  }

  #leaveStrangers(entry: Entry): void {
    if (entry.stranger !== undefined) this.#strangers.remove(entry.stranger);
    entry.stranger = undefined;
  }

  #forget(socket: Socket): void {
    const entry = this.#entries.get(socket);
    if (entry === undefined) return;
    this.#entries.delete(socket);
    this.#idle.delete(entry);
    this.#leaveStrangers(entry);
  }

  #turnAway(socket: Socket, reason: TurnedAway): void {
    this.#count(reason);
    socket.destroy();
  }

  #count(reason: TurnedAway): void {
    this.#deps.turnedAway.add(reason);
    const now = this.#deps.clock.now();
    if (reason === 'stranger' || now - this.#loggedAt < LOG_INTERVAL_MS) return;
    this.#loggedAt = now;
    this.#deps.logger.warn('connections_turned_away', { reason, open: this.#entries.size });
  }
}
