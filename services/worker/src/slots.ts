/** A counted semaphore: how many generations may run at once. */
export class Slots {
  readonly size: number;
  #taken = 0;
  #waiting: (() => void)[] = [];

  constructor(size: number) {
    this.size = size;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Takes a slot if one is free. Whoever takes one calls {@link release} once. */
  tryTake(): boolean {
    if (this.#taken >= this.size) return false;
    this.#taken += 1;
    return true;
  }

  release(): void {
    this.#taken -= 1;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /** Resolves when a slot is free or `signal` aborts; somebody else may still be faster to take it. */
  async available(signal: AbortSignal): Promise<void> {
    while (this.#taken >= this.size && !signal.aborted) {
      await new Promise<void>((wake) => {
        this.#waiting.push(wake);
        signal.addEventListener('abort', () => wake(), { once: true });
      });
    }
  }
}
