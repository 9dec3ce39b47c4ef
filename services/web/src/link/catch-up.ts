/** What arrived at once after a connection came back, and how long after. */
export type CaughtUp = { readonly tokens: number; readonly ms: number };

type Arrival = { readonly generation: string; readonly tokens: number; readonly now: number };

/** Later than this after the connection is back, a first frame is news and not backlog, ms. */
const BACKLOG_MS = 2_000;

/**
 * Measures catching up. The server sends what was missed of a generation as one frame, so the first frame of
 * each generation that was open before counts, and the rest is live. Pure: time is an argument.
 */
export class CatchUp {
  #awaited = new Set<string>();
  #startedAt = 0;
  #tokens = 0;

  /** The connection is back. @param open generations that had not ended */
  begin(open: Iterable<string>, now: number): void {
    this.#awaited = new Set(open);
    this.#startedAt = now;
    this.#tokens = 0;
  }

  /** @returns the sum so far when this frame was backlog */
  arrived({ generation, tokens, now }: Arrival): CaughtUp | undefined {
    const ms = now - this.#startedAt;
    if (!this.#awaited.delete(generation) || ms > BACKLOG_MS) return undefined;
    this.#tokens += tokens;
    return { tokens: this.#tokens, ms };
  }
}
