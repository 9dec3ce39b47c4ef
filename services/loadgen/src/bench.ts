import type { Verification } from './clients/crowd.ts';
import type { ClientApi } from './clients/client-main.ts';
import { startRemote } from './remote.ts';
import type { Remote } from './remote.ts';
import type { System } from './system.ts';

/** How much of everything. */
export type BenchSize = {
  readonly viewers: number;
  readonly sessions: number;
  readonly connections: number;
  readonly lateJoins: number;
  /** interleaved repetitions of each side of a comparison */
  readonly repetitions: number;
  /** length of one measured window, ms */
  readonly windowMs: number;
};

/** What the targets are stated for. */
export const FULL_SIZE: BenchSize = {
  viewers: 1_000,
  sessions: 1_000,
  connections: 5_000,
  lateJoins: 12,
  repetitions: 5,
  windowMs: 2_000,
};

/** To see that everything works; the figures mean nothing. */
export const SMOKE_SIZE: BenchSize = {
  viewers: 50,
  sessions: 50,
  connections: 200,
  lateJoins: 2,
  repetitions: 1,
  windowMs: 1_000,
};

/** One line of the report. */
export type Row = {
  readonly id: string;
  readonly what: string;
  readonly target: string;
  readonly value: string;
  readonly ok: boolean;
  /** what the value was made of, for reading and for `--json` */
  readonly figures: Readonly<Record<string, number>>;
};

export type Outcome = { readonly rows: readonly Row[]; readonly verifications: readonly Verification[] };

export type Bench = {
  readonly system: System;
  readonly size: BenchSize;
  /** says what is going on, for whoever waits */
  readonly say: (text: string) => void;
};

/** One thing to measure. It starts and ends its own edge and clients, so that none stands on another's. */
export type Measure = {
  /** the targets of docs/BENCHMARKS.md that it judges */
  readonly ids: readonly string[];
  readonly run: (bench: Bench) => Promise<Outcome>;
};

export const startClient = (): Remote<ClientApi> =>
  startRemote<ClientApi>(new URL('./clients/client-main.ts', import.meta.url));

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export const namesOf = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}-${String(index + 1).padStart(4, '0')}`);
