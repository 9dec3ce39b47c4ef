import type { Position } from '@sluice/protocol';
import type { EdgeContext } from './edge-context.ts';
import type { Viewer } from './viewer.ts';

/** What one client watches: at most one viewer in each session. */
export class Attachments {
  readonly #context: Pick<EdgeContext, 'hub' | 'figures'>;
  readonly #viewers = new Map<string, Viewer>();
  #hasAttached = false;
  #closed = false;

  constructor(context: Pick<EdgeContext, 'hub' | 'figures'>) {
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

  of(session: string): Viewer | undefined {
    return this.#viewers.get(session);
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
