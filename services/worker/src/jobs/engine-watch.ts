import type { Clock, Logger } from '@sluice/runtime';
import { EngineError } from '@sluice/core';
import type { Engine } from '@sluice/core';
import type { Slots } from './slots.ts';

/** Between looks at an engine that is away, ms, doubled each time. The first look is at once: one broken connection is no death. */
const FIRST_PAUSE_MS = 250;
const MAX_PAUSE_MS = 4_000;
/** An engine that does not answer a look for this long is away, ms. */
const LOOK_TIMEOUT_MS = 5_000;
/** Default of {@link EngineWatchDeps.refreshMs}. */
export const REFRESH_MS = 60_000;
/** A model that is missing is looked for at most this often, ms: many prompts may ask for it. */
const MISSING_PAUSE_MS = 5_000;
/** Answers that mean "not now": a server that is still loading its model gives them. */
const isNotNow = (status: number): boolean => status >= 500;

export type EngineWatchDeps = {
  readonly engine: Pick<Engine, 'models'>;
  readonly slots: Pick<Slots, 'suspend' | 'resume'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** what to offer whatever the engine lists */
  readonly models?: readonly string[] | undefined;
  /** between two looks at the models of an engine that is there, ms */
  readonly refreshMs: number;
  /** jobs for these models, and no others, are wanted from now on */
  readonly onOffer: (models: readonly string[]) => Promise<void>;
  /** no jobs are wanted for now */
  readonly onAway: () => Promise<void>;
};

/** What a look found: models to offer, or why there is nothing to offer. */
type Found = { readonly models: readonly string[] } | { readonly away: string };

const NO_MODELS = 'the engine lists no models: load one, or name them';

/**
 * Knows whether the engine is there and which models it has. Keeps jobs away from a worker whose engine is gone: they would
 * fail here one after the other, while other workers could run them. Looks for the engine until it answers, at the start too.
 */
export class EngineWatch {
  readonly #deps: EngineWatchDeps;
  #models: readonly string[] = [];
  #away: string | undefined = 'the engine was not asked yet';
  #isClosed = false;
  #isLooking = false;
  #isRefreshing = false;
  #refreshedAt = -Infinity;
  #wake: () => void = () => undefined;
  #timer: unknown;

  constructor(deps: EngineWatchDeps) {
    this.#deps = deps;
  }

  /** Why the worker serves nothing at the moment; undefined while it does. */
  get away(): string | undefined {
    return this.#away;
  }

  /** Resolves when the engine was asked once. One that does not answer is waited for from then on. */
  start(): Promise<void> {
    this.#isLooking = true;
    this.#deps.slots.suspend();
    return new Promise((resolve) => void this.#look(resolve).then(resolve));
  }

  /** A run found that the engine does not answer. */
  lost(): void {
    if (this.#isLooking || this.#isClosed) return;
    this.#isLooking = true;
    this.#deps.slots.suspend();
    void this.#look();
  }

  /** A run found that the engine does not know its model. */
  modelMissing(): void {
    if (this.#deps.clock.now() - this.#refreshedAt >= MISSING_PAUSE_MS) void this.#refresh();
  }

  close(): void {
    this.#isClosed = true;
    this.#deps.clock.clearTimeout(this.#timer);
    this.#wake();
  }

  async #look(onAway: () => void = () => undefined): Promise<void> {
    const { slots, logger } = this.#deps;
    let pauseMs = 0;
    let found = await this.#ask();
    for (; 'away' in found && !this.#isClosed; found = await this.#ask()) {
      if (found.away !== this.#away || pauseMs === 0) logger.warn('engine_away', { reason: found.away });
      this.#away = found.away;
      if (pauseMs === 0) await this.#deps.onAway();
      onAway();
      pauseMs = Math.min(MAX_PAUSE_MS, Math.max(FIRST_PAUSE_MS, 2 * pauseMs));
      await this.#pause(pauseMs);
    }
    if (this.#isClosed || 'away' in found) return;
    this.#isLooking = false;
    this.#away = undefined;
    slots.resume();
    await this.#offer(found.models, pauseMs > 0);
    if (pauseMs > 0) logger.info('engine_back', { models: found.models.length });
    this.#refreshLater();
  }

  async #ask(): Promise<Found> {
    const { engine, models: fixed } = this.#deps;
    try {
      const listed = await engine.models(AbortSignal.timeout(LOOK_TIMEOUT_MS));
      const models = fixed ?? listed;
      return models.length > 0 ? { models } : { away: NO_MODELS };
    } catch (error) {
      return this.#foundBy(error);
    }
  }

  /** A server that refuses to list its models is there. */
  #foundBy(error: unknown): Found {
    if (!(error instanceof EngineError)) return { away: 'the engine did not answer in time' };
    const models = this.#deps.models ?? this.#models;
    const isThere = error.status !== undefined && !isNotNow(error.status);
    if (isThere && models.length > 0) return { models };
    return { away: isThere ? `${error.message}; name its models` : error.message };
  }

  async #offer(models: readonly string[], isNews: boolean): Promise<void> {
    const known = new Set(this.#models);
    const isSame = models.length === known.size && models.every((model) => known.has(model));
    if (isSame && !isNews) return;
    this.#models = models;
    await this.#deps.onOffer(models);
  }

  #refreshLater(): void {
    const { clock, refreshMs } = this.#deps;
    clock.clearTimeout(this.#timer);
    this.#timer = clock.setTimeout(() => void this.#refresh(), refreshMs);
  }

  /** Whatever a slow or failed list says of the engine, its runs know better; only a broken connection is looked into. */
  async #refresh(): Promise<void> {
    const { engine, models: fixed, clock, logger } = this.#deps;
    if (this.#isLooking || this.#isRefreshing || this.#isClosed) return;
    this.#isRefreshing = true;
    this.#refreshedAt = clock.now();
    try {
      const listed = await engine.models(AbortSignal.timeout(LOOK_TIMEOUT_MS));
      if (this.#isLooking || this.#isClosed) return;
      const models = fixed ?? listed;
      if (models.length === 0) return this.lost();
      await this.#offer(models, false);
    } catch (error) {
      logger.warn('models_unread', { error });
      if (error instanceof EngineError && error.isLost) this.lost();
    } finally {
      this.#isRefreshing = false;
      if (!this.#isLooking && !this.#isClosed) this.#refreshLater();
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      this.#deps.clock.setTimeout(resolve, ms);
    });
  }
}
