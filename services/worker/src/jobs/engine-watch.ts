import type { Clock, Logger } from '@sluice/runtime';
import { EngineError } from '@sluice/core';
import type { Engine } from '@sluice/core';
import type { Liveness } from '../peers/liveness.ts';
import type { Slots } from './slots.ts';

/** Between looks at an engine that is away, ms, doubled each time. The first look is at once: one broken connection is no death. */
const FIRST_PAUSE_MS = 250;
const MAX_PAUSE_MS = 4_000;
/** An engine that does not answer a look for this long is away, ms. */
const LOOK_TIMEOUT_MS = 5_000;
/** Answers that mean "not now": a server that is still loading its model gives them. */
const isNotNow = (status: number): boolean => status >= 500;

export type EngineWatchDeps = {
  readonly engine: Pick<Engine, 'models'>;
  readonly slots: Pick<Slots, 'suspend' | 'resume'>;
  readonly liveness: Pick<Liveness, 'withdraw' | 'offer'>;
  readonly clock: Clock;
  readonly logger: Logger;
};

/**
 * Keeps jobs away from a worker whose engine is gone: they would fail here one after the other, while other workers
 * could run them. Looks for the engine until it answers again.
 */
export class EngineWatch {
  readonly #deps: EngineWatchDeps;
  #isClosed = false;
  #isLooking = false;
  #wake: () => void = () => undefined;

  constructor(deps: EngineWatchDeps) {
    this.#deps = deps;
  }

  /** A run found that the engine does not answer. */
  lost(): void {
    if (this.#isLooking || this.#isClosed) return;
    this.#isLooking = true;
    this.#deps.slots.suspend();
    void this.#look();
  }

  close(): void {
    this.#isClosed = true;
    this.#wake();
  }

  async #look(): Promise<void> {
    const { slots, liveness, logger } = this.#deps;
    let pauseMs = 0;
    while (!(await this.#answers()) && !this.#isClosed) {
      if (pauseMs === 0) {
        logger.warn('engine_away');
        await liveness.withdraw();
      }
      pauseMs = Math.min(MAX_PAUSE_MS, Math.max(FIRST_PAUSE_MS, 2 * pauseMs));
      await this.#pause(pauseMs);
    }
    if (this.#isClosed) return;
    this.#isLooking = false;
    slots.resume();
    if (pauseMs === 0) return;
    await liveness.offer();
    logger.info('engine_back');
  }

  /** Whether there is anybody: a server that refuses to list its models is one. */
  async #answers(): Promise<boolean> {
    const { engine } = this.#deps;
    try {
      await engine.models(AbortSignal.timeout(LOOK_TIMEOUT_MS));
      return true;
    } catch (error) {
      return error instanceof EngineError && error.status !== undefined && !isNotNow(error.status);
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      this.#deps.clock.setTimeout(resolve, ms);
    });
  }
}
