import type { StoredRecord } from '@sluice/protocol';
import type { ControlListener } from '../control.ts';
import type { Delivery, Job } from '../job-queue.ts';
import type { PromptEntry, StoredItem } from '../session-store.ts';
import type { StatsAsk } from '../stats-demand.ts';
import type { TailListener } from '../token-log.ts';
import type { WorkerBeat, WorkerInfo } from '../worker-directory.ts';

export type QueuedJob = { readonly job: Job; deliveries: number; acked: boolean };
export type Puller = (delivery: Delivery | undefined) => void;

/** What NATS would hold, in memory: several buses on one hub behave like services on one server. */
export type MemoryHub = {
  /** stream of token records: index + 1 is the sequence */
  readonly log: { readonly subject: string; readonly stored: StoredRecord }[];
  readonly heads: Map<string, StoredRecord>;
  readonly items: Map<string, StoredItem>;
  readonly prompts: Map<string, PromptEntry>;
  readonly workers: Map<string, WorkerInfo>;
  readonly beats: Set<(beat: WorkerBeat) => void>;
  readonly asks: Set<(ask: StatsAsk) => void>;
  readonly tails: Map<string, Set<TailListener>>;
  readonly controls: Map<string, Set<ControlListener>>;
  readonly relays: Map<string, Set<(question: string) => Promise<string>>>;
  readonly jobs: Map<string, QueuedJob[]>;
  readonly jobIds: Set<string>;
  /** unacked jobs of workers' own queues, by worker */
  readonly ownJobs: Map<string, Set<QueuedJob>>;
  readonly pullers: Map<string, Set<Puller>>;
  rev: number;
};

export const createMemoryHub = (): MemoryHub => ({
  log: [],
  heads: new Map(),
  items: new Map(),
  prompts: new Map(),
  workers: new Map(),
  beats: new Set(),
  asks: new Set(),
  tails: new Map(),
  controls: new Map(),
  relays: new Map(),
  jobs: new Map(),
  jobIds: new Set(),
  ownJobs: new Map(),
  pullers: new Map(),
  rev: 0,
});

/** Adds a listener under a key; the returned subscription removes it again. */
export const listen = <Listener>(
  map: Map<string, Set<Listener>>,
  key: string,
  listener: Listener,
): { close(): void } => {
  const set = map.get(key) ?? new Set();
  map.set(key, set.add(listener));
  return {
    close: () => {
      set.delete(listener);
      if (set.size === 0 && map.get(key) === set) map.delete(key);
    },
  };
};
