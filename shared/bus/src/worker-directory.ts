import type { GenerationKey } from '@sluice/protocol';
import type { Subscription } from './token-log.ts';

/** What a live worker offers. Entries vanish when their worker stops announcing. */
export type WorkerInfo = {
  readonly worker: string;
  readonly models: readonly string[];
  readonly slots: number;
  /** whether it pulls a queue of its own, so that jobs can be placed there; default false */
  readonly ownQueue?: boolean;
  /** whether it sees to generations that nobody else notices; default false */
  readonly sweeps?: boolean;
  /** what it runs */
  readonly running: readonly RunningGeneration[];
};

/** A run, by its generation and the attempt it is. */
export type RunningGeneration = GenerationKey & { readonly attempt: number };

/** A worker's sign of life: absolute, so that a lost one costs nothing but time. */
export type WorkerBeat = {
  readonly worker: string;
  readonly running: readonly RunningGeneration[];
  /** true: sent out of rhythm, `running` holds only what has been added; it tells no time */
  readonly isExtra?: boolean;
};

/** An announcement is forgotten after this long, ms. */
export const WORKER_TTL_MS = 10_000;
export const WORKER_ANNOUNCE_MS = 3_000;
export const WORKER_BEAT_MS = 1_000;

export type WorkerDirectory = {
  announce(entry: WorkerInfo): Promise<void>;
  retire(worker: string): Promise<void>;
  list(): Promise<readonly WorkerInfo[]>;
  /** Fire and forget, once every {@link WORKER_BEAT_MS}. */
  beat(beat: WorkerBeat): void;
  /** Every worker's beats, one's own among them. */
  onBeat(listener: (beat: WorkerBeat) => void): Promise<Subscription>;
};
