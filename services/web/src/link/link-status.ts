import type { Client, Status } from '@sluice/client';
import type { CaughtUp } from './catch-up.ts';

export type LinkSnapshot = {
  readonly status: Status;
  /** performance.now() when the status began */
  readonly since: number;
  /** for a few seconds after the connection came back */
  readonly caughtUp: CaughtUp | undefined;
};

/** How long the note about catching up stays, ms. */
const NOTE_MS = 6_000;

/** The connection's state as React reads it. */
export class LinkStatus {
  readonly #listeners = new Set<() => void>();
  readonly #remove: () => void;
  #snapshot: LinkSnapshot;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(client: Client) {
    this.#snapshot = { status: client.status, since: performance.now(), caughtUp: undefined };
    this.#remove = client.on('status', (status) =>
      this.#set({ status, since: performance.now(), caughtUp: undefined }),
    );
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  readonly snapshot = (): LinkSnapshot => this.#snapshot;

  caughtUp(caughtUp: CaughtUp): void {
    this.#set({ ...this.#snapshot, caughtUp });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#set({ ...this.#snapshot, caughtUp: undefined }), NOTE_MS);
  }

  close(): void {
    this.#remove();
    clearTimeout(this.#timer);
  }

  #set(snapshot: LinkSnapshot): void {
    this.#snapshot = snapshot;
    for (const listener of this.#listeners) listener();
  }
}
