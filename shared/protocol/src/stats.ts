import type { GenerationKey } from './ids.ts';

/**
 * Sessions whose ids begin so belong to the system: clients with scope `admin` observe some of them, and nobody
 * prompts, writes or signals there.
 */
export const RESERVED_PREFIX = '_sluice_';
/** What edges and workers say of the reader's own org. */
export const ORG_STATS = '_sluice_stats';
/** What they say of the whole system; exists in the operators' org only. */
export const SYSTEM_STATS = '_sluice_system';

/** Reports come this often while somebody observes, ms. */
export const STATS_INTERVAL_MS = 1_000;

/**
 * Upper bounds of latency buckets, ms; one more bucket counts the rest. A report's counts are absolute since its
 * source started, so that reports of many sources add up and a lost one costs nothing.
 */
export const STATS_BUCKETS_MS: readonly number[] = [
  ...[1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 32, 40, 50, 65, 80, 100, 130, 160, 200, 250, 320, 400, 500],
  ...[650, 800, 1_000, 1_300, 1_600, 2_000, 3_000, 5_000, 10_000, 30_000],
];

/** What befell a run, in the order of a life. */
export const RUN_PHASES = [
  'queued',
  'claimed',
  'first_token',
  'paused',
  'running',
  'parked',
  'requeued',
  'lost',
  'ended',
] as const;
export type RunPhase = (typeof RUN_PHASES)[number];

export type RunMark = {
  readonly phase: RunPhase;
  /** ms since the Unix epoch */
  readonly at: number;
  /** tokens of the generation by then */
  readonly seq: number;
};

/** One attempt at a generation as its worker tells it, or, as attempt 0, its prompt as the edge tells it. */
export type RunReport = GenerationKey & {
  readonly attempt: number;
  /** when it was prompted, ms since the Unix epoch */
  readonly createdAt: number;
  readonly model: string;
  /** the worker; with attempt 0 the edge */
  readonly by: string;
  readonly marks: readonly RunMark[];
  /** of one that ended */
  readonly reason?: string;
  /** tokens that were not made because of a stop or a park, as far as anybody can tell */
  readonly saved?: number;
};

/** How far a run is at this moment: made, then stored, then acked. */
export type RunProgress = GenerationKey & {
  readonly attempt: number;
  /** tokens taken from the engine */
  readonly made: number;
  readonly stored: number;
  /** as the governor has it, and how far ahead of that the run may be; absent when nothing governs */
  readonly acked?: number;
  readonly lead?: number;
};

type Report = {
  /** the edge's or worker's name */
  readonly name: string;
  /** another one is another process of that name: its counts began anew. ms since the Unix epoch */
  readonly startedAt: number;
  /** ms since the Unix epoch */
  readonly at: number;
  /** attempts that changed since the last report, newest last; all that are remembered when somebody came */
  readonly runs: readonly RunReport[];
};

/** Counts since the edge started, but for what is open now: `connections` to `unacked`. */
export type EdgeReport = Report & {
  readonly type: 'edge';
  readonly connections: number;
  readonly sessions: number;
  readonly viewers: number;
  /** tokens sent to viewers that owe an ack for them */
  readonly unacked: number;
  /** tokens sent, once per viewer */
  readonly delivered: number;
  /** those that moved a viewer's position */
  readonly acks: number;
  /** connections that began with a position: their clients came back */
  readonly reconnects: number;
  readonly errors: Readonly<Record<string, number>>;
  /** from a record being made to its frame being written, by bucket */
  readonly delivery: readonly number[];
  /** dollars per 1,000,000 output tokens; absent: not set */
  readonly price?: number;
};

/** Counts since the worker started, but for what is so now: `running` to `parked`. */
export type WorkerReport = Report & {
  readonly type: 'worker';
  /** absent in an org's own report: what others leave free is not its business */
  readonly slots?: number;
  readonly running: number;
  /** of those running: the newest 64 */
  readonly progress: readonly RunProgress[];
  /** of those running: held, because their viewers do not ack */
  readonly paused: number;
  /** parked here and not seen running since */
  readonly parked: number;
  /** tokens taken from the engine */
  readonly tokens: number;
  readonly parks: number;
  readonly ends: Readonly<Record<string, number>>;
  /** tokens not made because somebody stopped the run, or left it parked */
  readonly saved: { readonly stop: number; readonly park: number };
  /** from the prompt to the first token, by bucket */
  readonly firstToken: readonly number[];
};

export type StatsReport = EdgeReport | WorkerReport;
