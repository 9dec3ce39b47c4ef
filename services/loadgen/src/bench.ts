import type { Verification } from './clients/crowd.ts';
import type { ClientApi } from './clients/client-main.ts';
import { startRemote } from './remote.ts';
import type { Remote } from './remote.ts';
import type { Absence } from './peers/fan-out/peers.ts';
import type { System } from './system.ts';

/** How much of everything. */
export type BenchSize = {
  readonly viewers: number;
  readonly sessions: number;
  /** sessions of each step of the search for the knee, as shares of `sessions` */
  readonly ladder: readonly number[];
  readonly connections: number;
  readonly lateJoins: number;
  /** interleaved repetitions of each side of a comparison */
  readonly repetitions: number;
  /** repetitions before those, which do not count */
  readonly warmUps: number;
  /** length of one measured window, ms */
  readonly windowMs: number;
};

/** What the targets are stated for. */
export const FULL_SIZE: BenchSize = {
  viewers: 1_000,
  sessions: 1_000,
  ladder: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.2, 1.5],
  connections: 5_000,
  lateJoins: 12,
  repetitions: 5,
  warmUps: 1,
  windowMs: 2_000,
};

/** As large, and repeated less. */
export const QUICK_SIZE: BenchSize = { ...FULL_SIZE, repetitions: 2, ladder: [0.25, 0.5, 0.75, 1, 1.5] };

/** To see that everything works; the figures mean nothing. */
export const SMOKE_SIZE: BenchSize = {
  viewers: 50,
  sessions: 50,
  ladder: [0.5, 1],
  connections: 200,
  lateJoins: 2,
  repetitions: 1,
  warmUps: 0,
  windowMs: 500,
};

/** One line of the report. */
export type Row = {
  readonly id: string;
  readonly what: string;
  readonly target: string;
  readonly value: string;
  readonly ok: boolean;
  /** the value divided by that of each peer, by the peer's name */
  readonly ratios?: Readonly<Record<string, number>>;
  /** what the value was made of, for reading and for `--json` */
  readonly figures: Readonly<Record<string, number>>;
};

export type Outcome = {
  readonly rows: readonly Row[];
  readonly verifications: readonly Verification[];
  /** peers that this was not compared with */
  readonly absent?: readonly Absence[];
};

export type Bench = {
  readonly system: System;
  readonly size: BenchSize;
  /** says what is going on, for whoever waits */
  readonly say: (text: string) => void;
};

/** One scenario. It starts and ends its own edge and clients, so that none stands on another's. */
export type Measure = {
  readonly name: string;
  /** the targets of docs/BENCHMARKS.md that it judges */
  readonly ids: readonly string[];
  readonly run: (bench: Bench) => Promise<Outcome>;
};

export const startClient = (): Remote<ClientApi> =>
  startRemote<ClientApi>(new URL('./clients/client-main.ts', import.meta.url));

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export const namesOf = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}-${String(index + 1).padStart(4, '0')}`);
