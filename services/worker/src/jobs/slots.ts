/** A counted semaphore: how many generations may run at once, and whether any more may begin. */
export class Slots {
  readonly size: number;
  #taken = 0;
  #isSuspended = false;
  #waiting: (() => void)[] = [];
  /** Called when a slot has become free, before anybody who waits is woken. */
  onFree: () => void = () => undefined;

  constructor(size: number) {
    this.size = size;
  }

  get taken(): number {
    return this.#taken;
  }

  /** How many may be taken now. */
  get free(): number {
    return this.#isSuspended ? 0 : this.size - this.#taken;
  }

  get isSuspended(): boolean {
    return this.#isSuspended;
  }

  /** Takes a slot if one is free. Whoever takes one calls {@link release} once. */
  tryTake(): boolean {
    if (this.free <= 0) return false;
    this.#taken += 1;
    return true;
  }

  release(): void {
    this.#taken -= 1;
    this.#wake();
  }

  /** No slot is free until {@link resume}, whatever is released. */
  suspend(): void {
    this.#isSuspended = true;
  }

  resume(): void {
    this.#isSuspended = false;
    this.#wake();
  }

  /** Resolves when this holds or `signal` aborts; looks whenever a slot is released. */
  async until(isReady: () => boolean, signal: AbortSignal): Promise<void> {
    while (!isReady() && !signal.aborted) {
      await new Promise<void>((resolve) => {
        // Left on the signal, each wait of a busy worker would stay there for good.
        const wake = (): void => {
          signal.removeEventListener('abort', wake);
          resolve();
        };
        this.#waiting.push(wake);
        signal.addEventListener('abort', wake, { once: true });
      });
    }
  }

  #wake(): void {
    if (this.free > 0) this.onFree();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}
