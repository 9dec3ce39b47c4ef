import { markOf } from '@sluice/core';
import type { RecentRuns } from '@sluice/core';
import type { RunPhase, RunReport } from '@sluice/protocol';
import type { Clock } from '@sluice/runtime';
import type { OrgWork } from './org-work.ts';

export type RunStoryDeps = {
  readonly run: Omit<RunReport, 'marks'>;
  readonly runs: RecentRuns;
  readonly work: OrgWork;
  readonly clock: Clock;
};

/** One attempt as the stats tell it: what befell it, and what it adds to its org's figures. */
export class RunStory {
  readonly #deps: RunStoryDeps;

  /** @param seq tokens that were stored before */
  constructor(deps: RunStoryDeps, seq: number) {
    this.#deps = deps;
    deps.runs.begin(deps.run, markOf('claimed', deps.clock.now(), seq));
  }

  firstToken(seq: number): void {
    const { run, work, clock } = this.#deps;
    // A later attempt goes on with an answer whose first token was seen long ago.
    if (run.attempt === 1) work.firstToken.add(clock.now() - run.createdAt);
    this.mark('first_token', seq);
  }

  /** Once per token. */
  token(): void {
    this.#deps.work.tokens += 1;
  }

  mark(phase: RunPhase, seq: number): void {
    const { run, runs, clock } = this.#deps;
    runs.mark(run, markOf(phase, clock.now(), seq));
  }

  /** @param saved tokens it would still have made, where a stop or a park kept it from that */
  over(outcome: string, seq: number, saved: number): void {
    const { run, runs, work, clock } = this.#deps;
    const phase = PHASES[outcome] ?? 'ended';
    const ending = { ...(phase === 'ended' ? { reason: outcome } : {}), ...(saved > 0 ? { saved } : {}) };
    runs.mark(run, markOf(phase, clock.now(), seq), ending);
    if (phase === 'ended') work.end(outcome);
    if (phase === 'parked') work.parks += 1;
    if (phase === 'ended') work.savedByStop += saved;
  }
}

/** Outcomes of an attempt after which the generation goes on. */
const PHASES: Readonly<Record<string, RunPhase>> = {
  parked: 'parked',
  requeued: 'requeued',
  lost: 'lost',
  behind: 'requeued',
};
