import { Placement } from '@sluice/bus';
import type { WorkerDirectory } from '@sluice/bus';
import type { Clock, Logger } from '@sluice/runtime';

const REFRESH_MS = 2_000;
/** A model that was offered within this time may be about to come back, ms: its worker restarts. */
const REMEMBERED_MS = 10 * 60_000;

/** Which models live workers offer, and where jobs are best placed, as of a moment ago. */
export class ModelDirectory {
  readonly placement = new Placement();
  readonly #workers: WorkerDirectory;
  readonly #logger: Logger;
  readonly #clock: Pick<Clock, 'now'>;
  #models: readonly string[] | undefined;
  /** when each was last there, ms since the Unix epoch */
  readonly #seen = new Map<string, number>();
  #reading: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(workers: WorkerDirectory, logger: Logger, clock: Pick<Clock, 'now'>) {
    this.#workers = workers;
    this.#clock = clock;
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

  /** Whether a worker offers it, or did until a few minutes ago. */
  isKnown(model: string): boolean {
    return this.#seen.has(model);
  }

  async #read(): Promise<void> {
    try {
      const workers = await this.#workers.list();
      this.#models = [...new Set(workers.flatMap(({ models }) => models))].toSorted();
      this.#remember(this.#models);
      this.placement.learn(workers);
    } finally {
      this.#reading = undefined;
    }
  }

  #remember(models: readonly string[]): void {
    const now = this.#clock.now();
    for (const model of models) this.#seen.set(model, now);
    for (const [model, at] of this.#seen) if (now - at > REMEMBERED_MS) this.#seen.delete(model);
  }
}
