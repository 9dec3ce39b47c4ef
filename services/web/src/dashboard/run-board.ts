import type { RunMark, RunPhase, RunReport } from '@sluice/protocol';

/** Generations that are remembered; the oldest goes first. */
const MAX_RUNS = 100;

/** What a generation was doing between two marks. */
export type Activity = 'waiting' | 'starting' | 'streaming' | 'paused' | 'parked';

export type Stretch = { readonly activity: Activity; readonly from: number; readonly to: number };

export type RunMoment = RunMark & { readonly attempt: number; readonly by: string };

/** One generation over all its attempts. */
export type Run = {
  readonly id: string;
  readonly org: string;
  readonly session: string;
  readonly generation: string;
  readonly model: string;
  readonly createdAt: number;
  /** newest attempt that was claimed */
  readonly attempts: number;
  readonly tokens: number;
  /** in the order of time */
  readonly moments: readonly RunMoment[];
  /** undefined while it is not over */
  readonly endedAt: number | undefined;
  readonly reason: string | undefined;
  readonly saved: number;
};

const AFTER: Readonly<Record<RunPhase, Activity | undefined>> = {
  queued: 'waiting',
  claimed: 'starting',
  first_token: 'streaming',
  paused: 'paused',
  running: 'streaming',
  parked: 'parked',
  requeued: 'waiting',
  lost: undefined,
  ended: undefined,
};

/** Attempts of many reports, put together by generation. */
export class RunBoard {
  readonly #attempts = new Map<string, Map<number, RunReport>>();
  /** the same object until something in it changes */
  readonly #runs = new Map<string, Run>();

  apply(report: RunReport): void {
    const { org, session, generation, attempt } = report;
    const id = `${org}.${session}.${generation}`;
    const attempts = this.#attempts.get(id) ?? new Map<number, RunReport>();
    attempts.set(attempt, report);
    this.#attempts.set(id, attempts);
    this.#runs.set(id, runOf(id, [...attempts.values()]));
    if (this.#runs.size > MAX_RUNS) this.#forget();
  }

  /** Newest first. */
  get runs(): readonly Run[] {
    return [...this.#runs.values()].sort((left, right) => right.createdAt - left.createdAt);
  }

  #forget(): void {
    const oldest = this.runs.at(-1);
    if (oldest === undefined) return;
    this.#runs.delete(oldest.id);
    this.#attempts.delete(oldest.id);
  }
}

const runOf = (id: string, attempts: readonly RunReport[]): Run => {
  const [{ org, session, generation, model, createdAt }] = attempts as readonly [RunReport];
  const told = attempts.flatMap(({ attempt, by, marks }) => marks.map((mark) => ({ ...mark, attempt, by })));
  // Whoever came later did not hear from the edge that took the prompt, but every worker knows when that was.
  const isQueuedTold = told.some(({ phase }) => phase === 'queued');
  const queued: RunMoment = { phase: 'queued', at: createdAt, seq: 0, attempt: 0, by: '' };
  const moments = (isQueuedTold ? told : [queued, ...told]).sort(
    (left, right) => left.at - right.at || left.attempt - right.attempt,
  );
  const ended = attempts.find(({ marks }) => marks.at(-1)?.phase === 'ended');
  return {
    ...{ id, org, session, generation, model, createdAt, moments },
    attempts: Math.max(...attempts.map(({ attempt }) => attempt)),
    tokens: Math.max(...moments.map(({ seq }) => seq)),
    endedAt: ended?.marks.at(-1)?.at,
    reason: ended?.reason,
    saved: Math.max(0, ...attempts.map(({ saved = 0 }) => saved)),
  };
};

/** @param now where a run that is not over ends for the moment */
export const stretchesOf = ({ moments, endedAt }: Run, now: number): readonly Stretch[] => {
  const stretches: Stretch[] = [];
  let activity: Activity | undefined;
  let newest = 0;
  let from = 0;
  const close = (to: number): void => {
    if (activity !== undefined && to > from) stretches.push({ activity, from, to });
  };
  for (const { phase, at, attempt } of moments) {
    // What an older attempt still says is about itself: the newest one is the generation.
    if (attempt < newest) continue;
    if (endedAt !== undefined && at > endedAt) break;
    newest = attempt;
    close(at);
    activity = AFTER[phase];
    from = at;
  }
  if (endedAt === undefined) close(Math.max(from, now));
  return stretches;
};

/** What it does now, in a word. */
export const standingOf = ({ moments, reason }: Run): string => {
  if (reason !== undefined) return reason;
  const last = moments.findLast(({ phase }) => phase !== 'lost');
  const activity = last === undefined ? undefined : AFTER[last.phase];
  return activity ?? 'over';
};
