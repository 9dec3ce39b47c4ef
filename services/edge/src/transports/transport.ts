/** One way into an edge: the edge keeps its time, and ends what is open on it. */
export type Transport = {
  /** Called about twice a second. */
  tick(now: number): void;
  /** Refuses what is new; ends what is open, each within `spreadMs`, with a hint to come back. */
  drain(spreadMs: number): Promise<void>;
  /** Ends everything at once. */
  close(): Promise<void>;
};
