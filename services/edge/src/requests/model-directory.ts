import { Placement } from '@sluice/bus';
import type { WorkerDirectory } from '@sluice/bus';
import type { Logger } from '@sluice/runtime';

const REFRESH_MS = 2_000;

/** Which models live workers offer, and where jobs are best placed, as of a moment ago. */
export class ModelDirectory {
  readonly placement = new Placement();
  readonly #workers: WorkerDirectory;
  readonly #logger: Logger;
  #models: readonly string[] | undefined;
  #reading: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(workers: WorkerDirectory, logger: Logger) {
    this.#workers = workers;
    this.#logger = logger;
  }

  /** Resolves after a first look; looks again every 2 s, so that no prompt has to wait for it. */
  async open(): Promise<void> {
    const look = (): Promise<void> =>
      this.modelsNow().then(
        () => undefined,
        (error: unknown) => this.#logger.warn('worker_list_failed', { error }),
      );
    await look();
    this.#timer = setInterval(() => void look(), REFRESH_MS);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Sorted by name. @throws BusUnavailableError only when nothing was ever read */
  async models(): Promise<readonly string[]> {
    return this.#models ?? this.modelsNow();
  }

  /** As {@link models}, but not older than this call: for a model that was not there a moment ago. */
  async modelsNow(): Promise<readonly string[]> {
    await (this.#reading ??= this.#read());
    return this.#models ?? [];
  }

  async #read(): Promise<void> {
    try {
      const workers = await this.#workers.list();
      this.#models = [...new Set(workers.flatMap(({ models }) => models))].toSorted();
      this.placement.learn(workers);
    } finally {
      this.#reading = undefined;
    }
  }
}
