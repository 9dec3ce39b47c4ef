import { BusRefusedError } from '@sluice/bus';
import type { Delivery, RunningGeneration } from '@sluice/bus';
import { partyOf } from '@sluice/core';
import type { Party, StoredGeneration } from '@sluice/core';
import type { GenerationKey, Org } from '@sluice/protocol';
import { claimGeneration, readClaimed } from '@sluice/lifecycle';
import type { ClaimContext, Claimed } from '@sluice/lifecycle';
import { generationIds, persist } from '@sluice/runtime';
import type { Conversations } from '../runs/conversation.ts';
import { GenerationRun } from '../runs/generation-run.ts';
import type { RunContext, RunOutcome } from '../runs/run-context.ts';
import { Quarantine } from './quarantine.ts';
import type { Release } from './waiting-jobs.ts';
import type { RunLoad } from '../tally/worker-stats.ts';

/** A job's redelivery is put off this often while it runs; the ack wait is three times as long. */
const WORKING_MS = 10_000;

/** A job that cannot run here beside what runs goes to whoever asks after this long, ms. */
const LATER_MS = 500;

/** A job whose claim a full store refuses comes again after this long, ms: there may be many of them. */
const FULL_RETRY_MS = 10_000;

/** Runs whose progress is told; how many there are is told of all. */
const MAX_PROGRESS = 64;

export type JobRunnerDeps = Omit<RunContext, 'onEngineFree'> & {
  readonly conversations: Conversations;
  /** aborted when the worker stops pulling */
  readonly pulling: AbortSignal;
  /** a job, or the claim it led to, is this worker's from now on */
  readonly onTaken: (run: RunningGeneration) => void;
  readonly standingOf: ClaimContext['standingOf'];
  /** what runs has changed */
  readonly onChange: () => void;
};

type Taken = GenerationKey & { attempt: number };

/** Takes jobs from delivery to ack: claim, run, settle. Knows what runs now. */
export class JobRunner {
  readonly #deps: JobRunnerDeps;
  readonly #runs = new Map<string, GenerationRun>();
  /** every job from its delivery on, under the attempt that it asks for, or led to */
  readonly #taken = new Set<Taken>();
  readonly #quarantine = new Quarantine<Taken>((taken) => this.#runs.get(pathOf(taken))?.progress.stored);
  readonly #unfinished = new Set<Promise<void>>();

  constructor(deps: JobRunnerDeps) {
    this.#deps = deps;
  }

  get size(): number {
    return this.#runs.size;
  }

  /** What would be lost with this worker: jobs that are being claimed, and runs. */
  get running(): RunningGeneration[] {
    return [...this.#taken];
  }

  /** @param org undefined: of all orgs */
  load(org?: Org): RunLoad {
    const runs = [...this.#runs.values()].filter(
      ({ claimed }) => org === undefined || claimed.key.org === org,
    );
    const paused = runs.filter(({ isPaused }) => isPaused).length;
    const progress = runs.slice(-MAX_PROGRESS).map((run) => run.progress);
    return { running: runs.length, paused, progress };
  }

  /** Runs one job. Never rejects. */
  run(delivery: Delivery, release: Release): Promise<void> {
    const job = this.#runJob(delivery, release).finally(() => this.#unfinished.delete(job));
    this.#unfinished.add(job);
    return job;
  }

  /**
   * One run gives its slot to somebody whose party has fewer: the one that has waited longest for its viewers, else the
   * one that has made least. One at a time: it may be all that is needed.
   * @param aheadOf how many slots more a run's party has
   */
  makeRoom(aheadOf: (party: Party) => number): void {
    const runs = [...this.#runs.values()];
    if (runs.some((run) => run.isLeavingSlot)) return;
    const now = this.#deps.clock.now();
    const ahead = runs.map((run) => {
      const { key, item } = run.claimed;
      const by = aheadOf(partyOf(key.org, item.user));
      return { run, by, heldMs: run.heldFor(now) };
    });
    ahead.sort((a, b) => b.heldMs - a.heldMs || a.run.made - b.run.made);
    ahead.find(({ run, by }) => by > 0 && run.giveWay(now, by > 1));
  }

  tick(now: number): void {
    for (const run of this.#runs.values()) run.tick(now);
  }

  /** Hands every run to other workers; resolves when all of it is written. */
  async drain(): Promise<void> {
    for (const run of this.#runs.values()) run.drain();
    await Promise.all(this.#unfinished);
  }

  async #runJob(delivery: Delivery, release: Release): Promise<void> {
    const { bus, worker, clock, logger, pulling, onTaken, standingOf } = this.#deps;
    const isRunning = (key: GenerationKey): boolean =>
      this.#runs.has(pathOf(key)) || this.#isTakenBefore(taken, key);
    const admits = (item: StoredGeneration): boolean => this.#quarantine.admits(taken, item, clock.now());
    const working = setInterval(() => delivery.working(), WORKING_MS).unref();
    const { org, session, generation, attempt } = delivery.job;
    const taken: Taken = { org, session, generation, attempt };
    this.#taken.add(taken);
    onTaken(taken);
    try {
      const context = { bus, worker, clock, isRunning, admits, standingOf };
      const result = await persist(() => claimGeneration(delivery, context), clock, pulling);
      if (result.type === 'later') return delivery.nak(LATER_MS);
      if (result.type === 'claimed' && result.claimed.item.attempt !== attempt) {
        taken.attempt = result.claimed.item.attempt;
        onTaken(taken);
      }
      const outcome =
        result.type === 'claimed' ? await this.#runClaimed(result.claimed, release) : result.type;
      // A job that is not ours any more stays in the queue: whoever has it now may still die.
      if (outcome !== 'lost' && outcome !== 'leave') await delivery.ack();
    } catch (error) {
      // That storage is full is told by others; a line for each job and try would be a flood.
      if (error instanceof BusRefusedError && error.reason === 'full') delivery.nak(FULL_RETRY_MS);
      else logger.error('job_failed', { ...generationIds(delivery.job), error });
    } finally {
      clearInterval(working);
      this.#quarantine.leave(taken);
      this.#taken.delete(taken);
      release(0);
    }
  }

  /** A repeat of a job, delivered while the first is being claimed: it must not find that one's claim an orphan. */
  #isTakenBefore(taken: Taken, key: GenerationKey): boolean {
    for (const each of this.#taken) {
      if (each === taken) return false;
      if (pathOf(each) === pathOf(key)) return true;
    }
    return false;
  }

  async #runClaimed(claimed: Claimed, release: Release): Promise<RunOutcome> {
    const { bus, clock, conversations, giveUp, logger, tally } = this.#deps;
    const { messages, leftOut } = await persist(() => conversations.read(claimed), clock, giveUp);
    if (leftOut > 0) {
      tally.cutConversations += 1;
      const ids = generationIds(claimed.key, claimed.item.traceparent);
      logger.info('conversation_cut', { ...ids, items: leftOut });
    }
    const onEngineFree = (): void => release(run.made);
    const run: GenerationRun = new GenerationRun(claimed, messages, { ...this.#deps, onEngineFree });
    const outcome = await this.#runOnce(run);
    if (outcome !== 'behind') return outcome;
    const again = await persist(() => readClaimed(bus, claimed.key, claimed.item), clock, giveUp);
    return typeof again === 'string' ? 'lost' : this.#runClaimed(again, release);
  }

  async #runOnce(run: GenerationRun): Promise<RunOutcome> {
    const { onChange } = this.#deps;
    const path = pathOf(run.claimed.key);
    this.#runs.set(path, run);
    onChange();
    try {
      return await run.run();
    } finally {
      this.#runs.delete(path);
      onChange();
    }
  }
}

const pathOf = ({ org, session, generation }: GenerationKey): string => `${org}.${session}.${generation}`;
