import type { Position } from '@sluice/protocol';
import type { EdgeContext } from './edge-context.ts';
import type { Viewer } from '../feeds/viewer.ts';

/** What one client watches: at most one viewer in each session. */
export class Attachments {
  readonly #context: Pick<EdgeContext, 'hub' | 'figures' | 'limits'>;
  readonly #viewers = new Map<string, Viewer>();
  /** whose `subscribe` was refused for the moment; as many as may be watched are remembered */
  readonly #refused = new Set<string>();
  #hasAttached = false;
  #closed = false;

  constructor(context: Pick<EdgeContext, 'hub' | 'figures' | 'limits'>) {
    this.#context = context;
  }

  get size(): number {
    return this.#viewers.size;
  }
  get sessions(): readonly string[] {
    return [...this.#viewers.keys()];
  }

  has(session: string): boolean {
    return this.#viewers.has(session);
  }

  /**
   * Whether the session is watched, or the client asked for that in vain: it will repeat its `subscribe`, which
   * says where it is. To begin for it without that would send it again what it has.
   */
  isAsked(session: string): boolean {
    return this.has(session) || this.#refused.has(session);
  }

  of(session: string): Viewer | undefined {
    return this.#viewers.get(session);
  }

  /** As `attach`, for a client that asks again when this fails. */
  async subscribe(viewer: Viewer, rev: number): Promise<void> {
    const { session } = viewer.key;
    try {
      await this.attach(viewer, rev);
      this.#refused.delete(session);
    } catch (error) {
      if (this.#refused.size < this.#context.limits.maxSessionsPerConnection) this.#refused.add(session);
      throw error;
    }
  }

  /**
   * Attaches a viewer. In place of the one in its session, if there is one: attaching again moves to
   * other positions. @throws BusUnavailableError, and the session is not watched any more
   */
  async attach(viewer: Viewer, rev: number): Promise<void> {
    const { hub } = this.#context;
    const { session } = viewer.key;
    this.#countReturn(viewer, rev);
    const replaced = this.#viewers.get(session);
    this.#viewers.set(session, viewer);
    try {
      await hub.feed(viewer.key).attach(viewer, rev, replaced);
    } catch (error) {
      this.#viewers.delete(session);
      throw error;
    }
    if (this.#closed) hub.known(viewer.key)?.detach(viewer);
  }

  /** @returns false when the session is not watched */
  ack(session: string, generation: string, position: Position): boolean {
    const viewer = this.#viewers.get(session);
    if (viewer === undefined) return false;
    this.#context.hub.known(viewer.key)?.ack(viewer, generation, position);
    return true;
  }

  /** The client's socket has room again. */
  resume(): void {
    for (const viewer of this.#viewers.values()) this.#context.hub.known(viewer.key)?.resume(viewer);
  }

  detach(session: string): void {
    this.#refused.delete(session);
    const viewer = this.#viewers.get(session);
    if (viewer === undefined) return;
    this.#viewers.delete(session);
    this.#context.hub.known(viewer.key)?.detach(viewer);
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
    if (!this.#hasAttached && hasPosition) this.#context.figures.of(key.org).reconnects += 1;
    this.#hasAttached = true;
  }
}
