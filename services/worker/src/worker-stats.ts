import { StatsPublisher } from '@sluice/bus';
import type { Bus, Subscription } from '@sluice/bus';
import { CountsByOrg, RecentRuns } from '@sluice/core';
import type { Org, RunReport, WorkerReport } from '@sluice/protocol';
import type { Clock } from '@sluice/runtime';
import { AnswerLength } from './answer-length.ts';
import type { Claimed } from './claim.ts';
import { OrgWork } from './org-work.ts';
import { ParkedRuns } from './parked-runs.ts';
import { RunStory } from './run-story.ts';

/** What runs now. */
export type RunLoad = Pick<WorkerReport, 'running' | 'paused' | 'progress'>;

export type WorkerStatsDeps = {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly worker: string;
  readonly slots: number;
  /** @param org undefined: of all orgs */
  readonly load: (org?: Org) => RunLoad;
};

/** What this worker reports into the stats sessions. */
export class WorkerStats {
  readonly lengths = new AnswerLength();
  readonly #deps: WorkerStatsDeps;
  readonly #runs = new RecentRuns();
  readonly #work = new CountsByOrg(() => new OrgWork());
  readonly #parked = new ParkedRuns((org, saved) => (this.#work.of(org).savedByPark += saved));
  readonly #publisher: StatsPublisher;
  readonly #startedAt: number;
  #beats: Subscription | undefined;

  constructor(deps: WorkerStatsDeps) {
    this.#deps = deps;
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
  story({ key, item, entry }: Claimed, seq: number): RunStory {
    const { worker: by, clock } = this.#deps;
    this.#parked.running([key]);
    const { org, session, generation } = key;
    const { attempt, model } = item;
    const run = { org, session, generation, attempt, createdAt: entry.createdAt, model, by };
    return new RunStory({ run, runs: this.#runs, work: this.#work.of(org), clock }, seq);
  }

  /** An attempt ended by parking. @param saved tokens it would still have made */
  parked({ key }: Claimed, saved: number): void {
    this.#parked.add(key, saved, this.#deps.clock.now());
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
    const { worker, clock, slots, load } = this.#deps;
    const work = this.#work.shown(org);
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
      tokens: work.tokens,
      parks: work.parks,
      ends: Object.fromEntries(work.ends),
      saved: { stop: work.savedByStop, park: work.savedByPark + saved },
      firstToken: work.firstToken.counts(),
    };
  }
}
