/** What a live worker offers. Entries vanish when their worker stops announcing. */
export type WorkerInfo = {
  readonly worker: string;
  readonly models: readonly string[];
  readonly slots: number;
  readonly running: number;
};

/** An announcement is forgotten after this long, ms. */
export const WORKER_TTL_MS = 10_000;
export const WORKER_ANNOUNCE_MS = 3_000;

export type WorkerDirectory = {
  announce(entry: WorkerInfo): Promise<void>;
  retire(worker: string): Promise<void>;
  list(): Promise<readonly WorkerInfo[]>;
};
