import type { SessionStore } from '@sluice/bus';
import type { Clock, Logger } from '@sluice/runtime';

/** How far a reader says it is, and in which store; undefined: it was never told. */
export type Known = { readonly rev: number; readonly store?: string | undefined };

export const NOTHING_KNOWN: Known = { rev: 0 };

/** How often the store is looked at while nothing gives a reason to, ms. */
const LOOK_MS = 60_000;

export type StoreWatchDeps = {
  readonly sessions: SessionStore;
  readonly clock: Clock;
  readonly logger: Logger;
};

/**
 * Whether the store is still the one that was told of. It is another one when its stream was created anew, or marked as
 * restored, and when it ends before a rev that it had given: then it was put back to an earlier state.
 */
export class StoreWatch {
  readonly #deps: StoreWatchDeps;
  #name: string | undefined;
  /** the highest rev that anybody here has heard of */
  #heard = 0;
  #lookAt = 0;
  #looking: Promise<void> = Promise.resolve();
  /** begins when the one before is over: its answer is newer than whoever asks for it now */
  #next: Promise<void> | undefined;
  #onReplaced: () => void = () => undefined;

  constructor(deps: StoreWatchDeps) {
    this.#deps = deps;
  }

  /** What clients are told. */
  get name(): string {
    return this.#name ?? '';
  }

  /** Called when nothing that was told before counts any more. */
  onReplaced(listener: () => void): void {
    this.#onReplaced = listener;
  }

  heard(rev: number): void {
    this.#heard = Math.max(this.#heard, rev);
  }

  /** Whether what a reader knows was told of this store. @throws BusUnavailableError */
  async holds({ rev, store }: Known): Promise<boolean> {
    const isHere = (): boolean => rev <= this.#heard && (store === undefined || store === this.#name);
    if (isHere()) return true;
    // Another edge may have told it of what has not come here yet.
    await this.look();
    return isHere();
  }

  /** Something does not fit: the next tick looks. */
  doubt(): void {
    this.#lookAt = 0;
  }

  /** Called about once a second. */
  tick(now: number): void {
    if (now < this.#lookAt || this.#next !== undefined) return;
    this.look().catch((error: unknown) => this.#deps.logger.warn('store_look_failed', { error }));
  }

  /** Looks at the store as it is from now on; those who ask at the same time share one look. @throws BusUnavailableError */
  look(): Promise<void> {
    return (this.#next ??= this.#lookAfter(this.#looking));
  }

  async #lookAfter(before: Promise<void>): Promise<void> {
    await before.catch(() => undefined);
    this.#next = undefined;
    await (this.#looking = this.#look());
  }

  async #look(): Promise<void> {
    const { sessions, clock, logger } = this.#deps;
    const [name, heard] = [this.#name, this.#heard];
    const { store, rev } = await sessions.store();
    this.#lookAt = clock.now() + LOOK_MS;
    this.#name = store;
    const isSame = name === undefined || (store === name && rev >= heard);
    this.#heard = isSame ? Math.max(this.#heard, rev) : rev;
    if (isSame) return;
    logger.warn('store_replaced', { before: name, store, heard, rev });
    this.#onReplaced();
  }
}
