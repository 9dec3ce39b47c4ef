import { Placement } from '@sluice/bus';
import type { WorkerDirectory } from '@sluice/bus';
import type { GenerationKey } from '@sluice/protocol';
import type { Clock, Logger } from '@sluice/runtime';

const REFRESH_MS = 2_000;
/** A model that was offered within this time may be about to come back, ms: its worker restarts. */
const REMEMBERED_MS = 10 * 60_000;

export type ModelDirectoryOptions = {
  readonly workers: WorkerDirectory;
  readonly logger: Logger;
  readonly clock: Pick<Clock, 'now'>;
  /** models that may be prompted without a live worker */
  readonly fromZero: readonly string[];
};

/** Which models live workers offer, and where jobs are best placed, as of a moment ago. */
export class ModelDirectory {
  readonly placement = new Placement();
  readonly #workers: WorkerDirectory;
  readonly #logger: Logger;
  readonly #clock: Pick<Clock, 'now'>;
  /** models that may have no worker for a while */
  readonly #fromZero: readonly string[];
  #models: readonly string[] | undefined;
  #running: ReadonlySet<string> = new Set();
  /** when each was last there, ms since the Unix epoch */
  readonly #seen = new Map<string, number>();
  #reading: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor({ workers, logger, clock, fromZero }: ModelDirectoryOptions) {
    this.#workers = workers;
    this.#clock = clock;
    this.#logger = logger;
    this.#fromZero = fromZero;
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

  /** Whether prompts for it may wait until a worker comes that offers it. */
  mayWait(model: string): boolean {
    return this.#fromZero.includes(model);
  }

  /** Models that may be prompted: those of live workers, and those that may have none. @throws BusUnavailableError */
  async promptable(): Promise<readonly string[]> {
    return [...new Set([...(await this.models()), ...this.#fromZero])].toSorted();
  }

  /** Whether a live worker says that it runs this generation. */
  isRunning(generation: GenerationKey): boolean {
    return this.#running.has(nameOf(generation));
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
      this.#running = new Set(workers.flatMap(({ running }) => running.map(nameOf)));
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

const nameOf = ({ org, session, generation }: GenerationKey): string => `${org}.${session}.${generation}`;
