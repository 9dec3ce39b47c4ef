import { StatsPublisher } from '@sluice/bus';
import type { Bus, Subscription } from '@sluice/bus';
import { markOf, RecentRuns } from '@sluice/core';
import type { Org, RunPhase, RunReport, WorkerReport } from '@sluice/protocol';
import type { Clock } from '@sluice/runtime';
import { AnswerLength } from './answer-length.ts';
import { ParkedRuns } from './parked-runs.ts';
import type { WorkerTally } from './worker-tally.ts';

/** What runs now. */
export type RunLoad = Pick<WorkerReport, 'running' | 'paused' | 'progress'>;

/** Which attempt something is said of. */
export type AttemptName = Omit<RunReport, 'marks'>;

/** Outcomes of an attempt after which the generation goes on; after any other it has ended. */
const GOES_ON: ReadonlyMap<string, RunPhase> = new Map([
  ['parked', 'parked'],
  ['requeued', 'requeued'],
  ['lost', 'lost'],
  ['behind', 'requeued'],
]);

export type WorkerStatsDeps = {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly worker: string;
  readonly slots: number;
  readonly tally: WorkerTally;
  /** @param org undefined: of all orgs */
  readonly load: (org?: Org) => RunLoad;
};

/** What this worker reports into the stats sessions. */
export class WorkerStats {
  readonly lengths = new AnswerLength();
  readonly #deps: WorkerStatsDeps;
  readonly #runs = new RecentRuns();
  readonly #parked: ParkedRuns;
  readonly #publisher: StatsPublisher;
  readonly #startedAt: number;
  #beats: Subscription | undefined;

  constructor(deps: WorkerStatsDeps) {
    this.#deps = deps;
    this.#parked = new ParkedRuns((org, saved) => (deps.tally.orgs.of(org).savedByPark += saved));
    this.#startedAt = deps.clock.now();
    const report = (org: Org | undefined, runs: readonly RunReport[]): WorkerReport =>
      this.#report(org, runs);
    this.#publisher = new StatsPublisher({ bus: deps.bus, name: deps.worker, runs: this.#runs, report });
  }

  /** @throws BusUnavailableError, and may be called again then */
  async start(): Promise<void> {
    const { bus, clock } = this.#deps;
    this.#beats ??= await bus.workers.onBeat(({ running }) => this.#parked.running(running));
    await this.#publisher.start(clock.now);
  }

  /** An attempt begins. @param seq tokens that were stored before */
  begin(attempt: Omit<AttemptName, 'by'>, seq: number): AttemptName {
    const { worker: by, clock } = this.#deps;
    const name = { ...attempt, by };
    this.#parked.running([attempt]);
    this.#runs.begin(name, markOf('claimed', clock.now(), seq));
    return name;
  }

  mark(attempt: AttemptName, phase: RunPhase, seq: number): void {
    this.#runs.mark(attempt, markOf(phase, this.#deps.clock.now(), seq));
  }

  /** @param saved tokens it would still have made, where a stop or a park kept it from that */
  over(attempt: AttemptName, outcome: string, { seq, saved }: { seq: number; saved: number }): void {
    const now = this.#deps.clock.now();
    const phase = GOES_ON.get(outcome) ?? 'ended';
    const ending = { ...(phase === 'ended' ? { reason: outcome } : {}), ...(saved > 0 ? { saved } : {}) };
    this.#runs.mark(attempt, markOf(phase, now, seq), ending);
    if (phase === 'parked') this.#parked.add(attempt, saved, now);
  }

  tick(now: number): void {
    this.#parked.tick(now);
    this.#publisher.tick(now);
  }

  close(): void {
    this.#beats?.close();
    this.#publisher.close();
  }

  #report(org: Org | undefined, runs: readonly RunReport[]): WorkerReport {
    const { worker, clock, slots, tally, load } = this.#deps;
    const { tokens, outcomes, savedByStop, savedByPark, promptToToken } = tally.orgs.shown(org);
    const { parked, saved } = this.#parked.load(org);
    return {
      type: 'worker',
      name: worker,
      startedAt: this.#startedAt,
      at: clock.now(),
      runs,
      ...(org === undefined ? { slots } : {}),
      ...load(org),
      parked,
      tokens,
      parks: outcomes.get('parked') ?? 0,
      ends: Object.fromEntries([...outcomes].filter(([outcome]) => !GOES_ON.has(outcome))),
      saved: { stop: savedByStop, park: savedByPark + saved },
      firstToken: promptToToken.counts(),
    };
  }
}
