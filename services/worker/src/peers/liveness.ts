import { WORKER_ANNOUNCE_MS, WORKER_BEAT_MS } from '@sluice/bus';
import type { Bus, RunningGeneration, Subscription } from '@sluice/bus';
import type { Logger } from '@sluice/runtime';

/** The directory is told of changes this soon, once for many of them, ms. */
const CHANGE_MS = 50;

export type LivenessDeps = {
  readonly bus: Bus;
  readonly logger: Logger;
  readonly worker: string;
  readonly slots: number;
  /** whether jobs may be placed in this worker's own queue */
  readonly ownQueue: boolean;
  readonly running: () => readonly RunningGeneration[];
};

/** Tells edges what this worker offers, and other workers that it lives and what it runs. */
export class Liveness {
  readonly #deps: LivenessDeps;
  #announcing: NodeJS.Timeout | undefined;
  #beating: NodeJS.Timeout | undefined;
  #soon: NodeJS.Timeout | undefined;
  #reconnects: Subscription | undefined;
  /** undefined: no work is wanted */
  #models: readonly string[] | undefined;

  constructor(deps: LivenessDeps) {
    this.#deps = deps;
  }

  async start(): Promise<void> {
    await this.#announce();
    // A forgotten worker keeps no process alive: its socket and its admin port do.
    this.#announcing = setInterval(() => void this.#announce(), WORKER_ANNOUNCE_MS).unref();
    this.#beating = setInterval(() => this.#beat(), WORKER_BEAT_MS).unref();
    this.#beat();
    // While NATS was away the directory may have forgotten this worker.
    this.#reconnects = this.#deps.bus.link.onReconnect(() => {
      this.#beat();
      void this.#announce();
    });
  }

  /** Says at once what is about to run: a worker that dies before its next beat leaves word of it. */
  taken(run: RunningGeneration): void {
    this.#deps.bus.workers.beat({ worker: this.#deps.worker, running: [run], isExtra: true });
  }

  /** What runs has changed: the directory is told soon. */
  changed(): void {
    if (this.#beating === undefined) return;
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      void this.#announce();
    }, CHANGE_MS);
  }

  /** No new work is wanted for now: edges and workers need not know this worker. What runs here is beaten for. */
  async withdraw(): Promise<void> {
    const { bus, logger, worker } = this.#deps;
    this.#models = undefined;
    await bus.workers.retire(worker).catch((error: unknown) => logger.warn('retire_failed', { error }));
  }

  /** Work for these models is wanted. */
  async offer(models: readonly string[]): Promise<void> {
    this.#models = models;
    await this.#announce();
  }

  /** Says last that nothing runs here. */
  close(): void {
    this.#reconnects?.close();
    clearInterval(this.#announcing);
    clearInterval(this.#beating);
    clearTimeout(this.#soon);
    this.#beating = undefined;
    this.#beat();
  }

  #life(): { worker: string; running: readonly RunningGeneration[] } {
    return { worker: this.#deps.worker, running: this.#deps.running() };
  }

  #beat(): void {
    this.#deps.bus.workers.beat(this.#life());
  }

  async #announce(): Promise<void> {
    const { bus, logger, slots, ownQueue } = this.#deps;
    const models = this.#models;
    if (models === undefined) return;
    const entry = { ...this.#life(), models, slots, ownQueue, sweeps: true };
    await bus.workers.announce(entry).catch((error: unknown) => logger.warn('announce_failed', { error }));
  }
}
