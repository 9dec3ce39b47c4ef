import type { Bus } from '@sluice/bus';
import type { Clock, Logger } from '@sluice/runtime';

const REFRESH_MS = 2_000;

/** Which models live workers offer, as of a moment ago. */
export class ModelDirectory {
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #models: readonly string[] = [];
  #readAt = -Infinity;
  #reading: Promise<void> | undefined;

  constructor(deps: { readonly bus: Bus; readonly clock: Clock; readonly logger: Logger }) {
    this.#bus = deps.bus;
    this.#clock = deps.clock;
    this.#logger = deps.logger;
  }

  /** Sorted by name. @throws BusUnavailableError only when nothing was ever read */
  async models(): Promise<readonly string[]> {
    if (this.#clock.now() - this.#readAt >= REFRESH_MS) await (this.#reading ??= this.#read());
    return this.#models;
  }

  /** As {@link models}, but not older than this call: for a model that was not there a moment ago. */
  async modelsNow(): Promise<readonly string[]> {
    await (this.#reading ??= this.#read());
    return this.#models;
  }

  async #read(): Promise<void> {
    try {
      const workers = await this.#bus.workers.list();
      this.#models = [...new Set(workers.flatMap(({ models }) => models))].toSorted();
      this.#readAt = this.#clock.now();
    } catch (error) {
      if (this.#readAt === -Infinity) throw error;
      this.#logger.warn('worker_list_failed', { error });
    } finally {
      this.#reading = undefined;
    }
  }
}
