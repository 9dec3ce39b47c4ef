import type { Presence } from '@sluice/bus';
import type { PresenceMessage, SessionKey, ViewerRef } from '@sluice/protocol';

/** Edges that share a session repeat their viewers this often. After three times as long in silence an edge has none. In ms. */
const ANNOUNCE_MS = 5_000;
const SILENCE_MS = 15_000;
/** An edge that has heard of no other in the session for so long is alone with it, ms: most sessions have one edge. */
const COMPANY_MS = 300_000;
/** An edge that is alone repeats who it has this often at most, ms: somebody's `sync` may have been lost. */
const ALONE_MS = 60_000;
/** Beyond this many viewers, arrivals are told as a count and at most once a second. */
const MAX_NAMED = 50;
const CROWD_MS = 1_000;
/** An announcement names as many viewers as fit this: NATS takes no message above 1 MiB. */
const MAX_ANNOUNCED_BYTES = 512 * 1024;

export type RosterChange = {
  readonly viewers: number;
  readonly joined?: ViewerRef;
  readonly left?: ViewerRef;
  readonly present?: readonly ViewerRef[];
};

export type RosterListener = {
  moved(change: RosterChange): void;
  signalled(user: string, connection: string, data: unknown): void;
};

type RemoteEdge = { readonly viewers: Map<string, ViewerRef>; at: number };

/** Who watches a session, on this edge and on the others. Observers are never in it. */
export class PresenceRoster {
  readonly #key: SessionKey;
  readonly #presence: Presence;
  readonly #edge: string;
  readonly #listener: RosterListener;
  readonly #local = new Map<string, ViewerRef>();
  /** made when needed: most sessions are watched on one edge */
  #remote: Map<string, RemoteEdge> | undefined;
  #announceAt: number;
  /** when another edge was last heard of in this session */
  #heardAt = -Infinity;
  #untold = false;
  #toldAt = 0;
  #now: number;

  constructor(
    key: SessionKey,
    deps: { presence: Presence; edge: string; listener: RosterListener; now: number },
  ) {
    this.#key = key;
    this.#presence = deps.presence;
    this.#edge = deps.edge;
    this.#listener = deps.listener;
    this.#now = deps.now;
    this.#announceAt = this.#nextAnnouncement();
    this.sync();
  }

  get count(): number {
    let count = this.#local.size;
    for (const { viewers } of this.#remote?.values() ?? []) count += viewers.size;
    return count;
  }

  /** Everybody, unless they are a crowd. */
  get present(): readonly ViewerRef[] | undefined {
    if (this.count > MAX_NAMED) return undefined;
    const remote = [...(this.#remote?.values() ?? [])].flatMap(({ viewers }) => [...viewers.values()]);
    return [...this.#local.values(), ...remote];
  }

  /** Asks every edge for its viewers: announcements may have been missed. */
  sync(): void {
    this.#presence.publish(this.#key, { type: 'sync', edge: this.#edge });
  }

  /** Counts a viewer in, unless it only observes. */
  admit({ ref, observe }: { readonly ref: ViewerRef; readonly observe: boolean }): void {
    if (observe) this.leave(ref);
    else this.join(ref);
  }

  /** Idempotent, and quiet about a viewer that is there already. */
  join(viewer: ViewerRef): void {
    if (this.#local.has(viewer.connection)) return;
    this.#local.set(viewer.connection, viewer);
    this.#presence.publish(this.#key, { type: 'join', edge: this.#edge, ...viewer });
    this.#changed({ joined: viewer });
  }

  leave(viewer: ViewerRef): void {
    if (!this.#local.delete(viewer.connection)) return;
    this.#presence.publish(this.#key, { type: 'leave', edge: this.#edge, ...viewer });
    this.#changed({ left: viewer });
  }

  signal(viewer: ViewerRef, data: unknown): void {
    this.#presence.publish(this.#key, { type: 'signal', ...viewer, data });
  }

  tick(now: number): void {
    this.#now = now;
    if (now >= this.#announceAt) this.#announce();
    for (const [edge, remote] of this.#remote ?? []) {
      if (now - remote.at < SILENCE_MS) continue;
      this.#remote?.delete(edge);
      this.#untold ||= remote.viewers.size > 0;
    }
    if (this.#untold && now - this.#toldAt >= CROWD_MS) this.#tell({});
  }

  get #isAlone(): boolean {
    return this.#now - this.#heardAt >= COMPANY_MS;
  }

  /** Edges that are alone do not all speak at once, also where all sessions began at once. */
  #nextAnnouncement(): number {
    return this.#now + (this.#isAlone ? ALONE_MS * (0.5 + Math.random() / 2) : ANNOUNCE_MS);
  }

  /** Also of nobody, to another edge: it is to know that it is not alone. */
  #announce(): void {
    this.#announceAt = this.#nextAnnouncement();
    if (this.#isAlone && this.#local.size === 0) return;
    const viewers: ViewerRef[] = [];
    let bytes = 0;
    for (const viewer of this.#local.values()) {
      bytes += Buffer.byteLength(JSON.stringify(viewer)) + 1;
      if (bytes > MAX_ANNOUNCED_BYTES) break;
      viewers.push(viewer);
    }
    this.#presence.publish(this.#key, { type: 'viewers', edge: this.#edge, viewers });
  }

  /** What an edge said of this session, this one included. */
  onMessage(message: PresenceMessage): void {
    if (message.type === 'signal') {
      this.#listener.signalled(message.user, message.connection, message.data);
      return;
    }
    if (message.edge === this.#edge) return;
    const wasAlone = this.#isAlone;
    this.#heardAt = this.#now;
    if (wasAlone || message.type === 'sync') this.#announce();
    if (message.type === 'sync') return;
    const remote = this.#remoteOf(message.edge);
    if (message.type === 'viewers') this.#replace(remote, message.viewers);
    else this.#move(remote, message.type, { user: message.user, connection: message.connection });
  }

  #remoteOf(edge: string): RemoteEdge {
    const known = (this.#remote ??= new Map<string, RemoteEdge>());
    const remote = known.get(edge) ?? { viewers: new Map<string, ViewerRef>(), at: 0 };
    remote.at = this.#now;
    known.set(edge, remote);
    return remote;
  }

  #replace({ viewers }: RemoteEdge, now: readonly ViewerRef[]): void {
    const same = viewers.size === now.length && now.every(({ connection }) => viewers.has(connection));
    if (same) return;
    viewers.clear();
    for (const viewer of now) viewers.set(viewer.connection, viewer);
    this.#tell({});
  }

  #move({ viewers }: RemoteEdge, type: 'join' | 'leave', viewer: ViewerRef): void {
    if (type === 'join') viewers.set(viewer.connection, viewer);
    else viewers.delete(viewer.connection);
    this.#changed(type === 'join' ? { joined: viewer } : { left: viewer });
  }

  /** In a crowd, telling everyone of everyone would cost the square of its size. */
  #changed(change: Omit<RosterChange, 'viewers'>): void {
    if (this.count > MAX_NAMED) this.#untold = true;
    else this.#tell(change);
  }

  #tell(change: Omit<RosterChange, 'viewers'>): void {
    this.#untold = false;
    this.#toldAt = this.#now;
    const isNamed = change.joined !== undefined || change.left !== undefined;
    const present = isNamed ? undefined : this.present;
    this.#listener.moved({ viewers: this.count, ...change, ...(present === undefined ? {} : { present }) });
  }
}
