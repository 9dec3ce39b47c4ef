import type { Position } from '@sluice/protocol';
import type { EdgeContext } from './edge-context.ts';
import type { Feed } from '../feeds/feed.ts';
import type { Known } from '../feeds/store-watch.ts';
import type { Viewer } from '../feeds/viewer.ts';

/** A viewer, and the feed that serves it. */
type Attached = { readonly viewer: Viewer; readonly feed: Feed };

/** What one client watches: at most one viewer in each session. */
export class Attachments {
  readonly #context: Pick<EdgeContext, 'hub' | 'tally' | 'limits'>;
  /** made when needed, as is what follows */
  #attached: Map<string, Attached> | undefined;
  /** whose `subscribe` was refused for the moment; as many as may be watched are remembered */
  #refused: Set<string> | undefined;
  #hasAttached = false;
  #closed = false;

  constructor(context: Pick<EdgeContext, 'hub' | 'tally' | 'limits'>) {
    this.#context = context;
  }

  get size(): number {
    return this.#attached?.size ?? 0;
  }
  get sessions(): readonly string[] {
    return [...(this.#attached?.keys() ?? [])];
  }

  has(session: string): boolean {
    return this.of(session) !== undefined;
  }

  /**
   * Whether the session is watched, or the client asked for that in vain: it will repeat its `subscribe`, which
   * says where it is. To begin for it without that would send it again what it has.
   */
  isAsked(session: string): boolean {
    return this.has(session) || this.#refused?.has(session) === true;
  }

  /** Whether the session is watched and its viewer was told so. */
  isReady(session: string): boolean {
    return this.of(session)?.viewer.ready === true;
  }

  of(session: string): Attached | undefined {
    const attached = this.#attached?.get(session);
    if (attached?.viewer.isDismissed !== true) return attached;
    this.#attached?.delete(session);
    return undefined;
  }

  /** As `attach`, for a client that asks again when this fails. */
  async subscribe(viewer: Viewer, known: Known): Promise<void> {
    const { session } = viewer.key;
    try {
      await this.attach(viewer, known);
      this.#refused?.delete(session);
    } catch (error) {
      const refused = (this.#refused ??= new Set());
      if (refused.size < this.#context.limits.maxSessionsPerConnection) refused.add(session);
      throw error;
    }
  }

  /**
   * Attaches a viewer. In place of the one in its session, if there is one: attaching again moves to
   * other positions. @throws BusUnavailableError, and the session is not watched any more
   */
  async attach(viewer: Viewer, known: Known): Promise<void> {
    const { session } = viewer.key;
    this.#countReturn(viewer, known.rev);
    const feed = this.#context.hub.feed(viewer.key);
    const attached = (this.#attached ??= new Map<string, Attached>());
    const replaced = attached.get(session)?.viewer;
    attached.set(session, { viewer, feed });
    try {
      await feed.attach(viewer, known, replaced);
    } catch (error) {
      attached.delete(session);
      throw error;
    }
    if (this.#closed) feed.detach(viewer);
  }

  /** @returns false when the session is not watched */
  onAck(session: string, generation: string, position: Position): boolean {
    const attached = this.#attached?.get(session);
    if (attached === undefined) return false;
    attached.feed.onAck(attached.viewer, generation, position);
    return true;
  }

  /** Another credential: whether its acks count from now on. */
  govern(governs: boolean): void {
    for (const { feed, viewer } of this.#attached?.values() ?? []) feed.govern(viewer, governs);
  }

  /** The client's socket has room again. */
  resume(): void {
    for (const { feed, viewer } of this.#attached?.values() ?? []) feed.resume(viewer);
  }

  detach(session: string): void {
    this.#refused?.delete(session);
    const attached = this.#attached?.get(session);
    if (attached === undefined) return;
    this.#attached?.delete(session);
    attached.feed.detach(attached.viewer);
  }

  /** Leaves everything, also what is still being attached. Idempotent. */
  close(): void {
    this.#closed = true;
    for (const session of this.sessions) this.detach(session);
  }

  /** A client that begins with a position had another connection before. */
  #countReturn({ key, positions }: Viewer, rev: number): void {
    // A position of nothing is that of a generation which is to be made yet.
    const hasPosition = rev > 0 || [...positions.values()].some(({ seq }) => seq > 0);
    if (!this.#hasAttached && hasPosition) this.#context.tally.orgs.of(key.org).reconnects += 1;
    this.#hasAttached = true;
  }
}
