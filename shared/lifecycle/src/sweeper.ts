import type { OpenGeneration, RunningGeneration } from '@sluice/bus';
import { sharerOf } from '@sluice/core';
import type { StoredGeneration, SweepStep } from '@sluice/core';
import type { GenerationKey } from '@sluice/protocol';
import type { LifeContext } from './item-change.ts';
import { sweepGeneration } from './sweep.ts';

/** Between two lists of what is open, ms. */
const SWEEP_MS = 2_000;
/** A list that takes long is read less often: at most this share of the time. */
const LIST_SHARE = 0.1;
/** Most generations are done by then: one is looked at when it has been listed for this long, ms. */
const FIRST_LOOK_MS = 5_000;
/** One that had nothing to be done is looked at again after this long, ms. */
const NEXT_LOOK_MS = 8_000;
/** Looks in one sweep; the others are first in the next. */
const MAX_LOOKS = 400;
const LOOKS_AT_ONCE = 16;

export type SweeperDeps = LifeContext & {
  /** its name among the workers that sweep; undefined: it stands in while none does */
  readonly self?: string;
  /** what live workers are known to run; undefined: not known, so that no run is taken from its worker */
  readonly running?: () => readonly RunningGeneration[] | undefined;
  /** whether a worker is known to be dead; asked only while `running` is known */
  readonly isGone?: (worker: string) => boolean;
  readonly onSwept: (step: SweepStep, key: GenerationKey) => void;
  readonly onError: (error: unknown) => void;
};

/** One open generation as it was when it was last looked at. */
type Sight = {
  readonly since: number;
  lookAt: number;
  /** of the attempt that was running then, though its worker, which lives, did not say so */
  idleAttempt?: number | undefined;
};

/**
 * Goes through the generations that are not done and sees to those that wait for somebody to notice. Workers that sweep
 * share them by hash, by what the directory says of who lives; so one that dies is replaced within its entry's time.
 */
export class Sweeper {
  readonly #deps: SweeperDeps;
  #sights = new Map<string, Sight>();
  #nextAt = -Infinity;
  #sweeping: Promise<void> | undefined;
  #isClosed = false;

  constructor(deps: SweeperDeps) {
    this.#deps = deps;
  }

  /** To be called a few times a second. */
  tick(now: number): void {
    if (now >= this.#nextAt) void this.sweep();
  }

  /** Resolves when one sweep is over; never rejects. */
  sweep(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    return (this.#sweeping ??= this.#sweep().finally(() => (this.#sweeping = undefined)));
  }

  /** What was begun ends with its next answer, quietly. */
  close(): void {
    this.#isClosed = true;
  }

  async #sweep(): Promise<void> {
    const { clock } = this.#deps;
    const startedAt = clock.now();
    this.#nextAt = startedAt + SWEEP_MS;
    try {
      const open = await this.#list(startedAt);
      this.#nextAt += (clock.now() - startedAt) / LIST_SHARE;
      const due = open.filter(({ key }) => this.#sightOf(key).lookAt <= startedAt);
      if (due.length > 0) await this.#lookAtOurs(due);
    } catch (error) {
      // The next one looks again.
      this.#tell(error);
    }
  }

  /** What is open, and forgets all that was. */
  async #list(now: number): Promise<OpenGeneration[]> {
    const all: OpenGeneration[] = [];
    for (let next: number | undefined = 0; next !== undefined;) {
      const page = await this.#deps.bus.open.list(next);
      all.push(...page.open);
      ({ next } = page);
    }
    const known = this.#sights;
    this.#sights = new Map(
      all.map(({ key }) => [
        pathOf(key),
        known.get(pathOf(key)) ?? { since: now, lookAt: now + FIRST_LOOK_MS },
      ]),
    );
    return all;
  }

  #sightOf(key: GenerationKey): Sight {
    return this.#sights.get(pathOf(key)) as Sight;
  }

  async #lookAtOurs(due: readonly OpenGeneration[]): Promise<void> {
    const { bus, self, running } = this.#deps;
    const workers = await bus.workers.list();
    const sweepers = workers.flatMap(({ worker, sweeps }) => (sweeps === true ? [worker] : []));
    // One that takes no work for now is not in the directory, and goes on.
    if (self !== undefined && !sweepers.includes(self)) sweepers.push(self);
    const isRun = new Set(running?.()?.map(pathOf));
    const ours = due.filter(({ key }) => {
      if (sharerOf(pathOf(key), sweepers) === self && !isRun.has(pathOf(key))) return true;
      this.#putOff(this.#sightOf(key));
      return false;
    });
    ours.sort((a, b) => this.#sightOf(a.key).lookAt - this.#sightOf(b.key).lookAt);
    const queue = ours.slice(0, MAX_LOOKS).values();
    const lane = async (): Promise<void> => {
      for (const open of queue) {
        if (this.#isClosed) return;
        await this.#look(open);
      }
    };
    await Promise.all(Array.from({ length: LOOKS_AT_ONCE }, lane));
  }

  #putOff(sight: Sight): void {
    sight.lookAt = this.#deps.clock.now() + NEXT_LOOK_MS;
    sight.idleAttempt = undefined;
  }

  async #look(open: OpenGeneration): Promise<void> {
    const { clock, running, isGone, onSwept } = this.#deps;
    const sight = this.#sightOf(open.key);
    const { idleAttempt } = sight;
    this.#putOff(sight);
    const isDeserted = ({ attempt, worker = '' }: StoredGeneration): boolean => {
      const known = running?.();
      // Not known, or claimed a moment ago.
      if (known === undefined || known.some((run) => isSame(run, open.key))) return false;
      sight.idleAttempt = attempt;
      return idleAttempt === attempt || isGone?.(worker) === true;
    };
    try {
      const listedMs = clock.now() - sight.since;
      onSwept(await sweepGeneration(this.#deps, open, { isDeserted, listedMs }), open.key);
    } catch (error) {
      this.#tell(error);
    }
  }

  #tell(error: unknown): void {
    if (!this.#isClosed) this.#deps.onError(error);
  }
}

const isSame = (a: GenerationKey, b: GenerationKey): boolean => pathOf(a) === pathOf(b);

const pathOf = ({ org, session, generation }: GenerationKey): string => `${org}.${session}.${generation}`;
