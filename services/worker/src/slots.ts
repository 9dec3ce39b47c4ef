/** A counted semaphore: how many generations may run at once, and whether any more may begin. */
export class Slots {
  readonly size: number;
  #taken = 0;
  #isSuspended = false;
  #waiting: (() => void)[] = [];

  constructor(size: number) {
    this.size = size;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Takes a slot if one is free. Whoever takes one calls {@link release} once. */
  tryTake(): boolean {
    if (!this.#isFree) return false;
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

  /** Resolves when a slot is free or `signal` aborts; somebody else may still be faster to take it. */
  async available(signal: AbortSignal): Promise<void> {
    while (!this.#isFree && !signal.aborted) {
      await new Promise<void>((wake) => {
        this.#waiting.push(wake);
        signal.addEventListener('abort', () => wake(), { once: true });
      });
    }
  }

  get #isFree(): boolean {
    return !this.#isSuspended && this.#taken < this.size;
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}
