/** Never may more than this wait for one client, bytes: what is not paced by credit has a bound too. */
export const MAX_BUFFERED_BYTES = 4 * 1024 * 1024;
/** How long a client may take for the end of what is open when the whole edge closes, ms. */
export const LAST_CLOSE_TIMEOUT_MS = 1_000;
/** Clients of a draining edge that come back too early are told to wait this long, ms. */
export const AWAY_MS = 2_000;

/** One way into an edge: the edge keeps its time, and ends what is open on it. */
export type Transport = {
  /** Called about twice a second. */
  tick(now: number): void;
  /** Refuses what is new; ends what is open, each within `spreadMs`, with a hint to come back. */
  drain(spreadMs: number): Promise<void>;
  /** Ends everything at once. */
  close(): Promise<void>;
};
