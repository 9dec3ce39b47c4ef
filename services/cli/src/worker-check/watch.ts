/** Wakes whoever waits for a condition each time something has happened. */
export class Watch {
  readonly #waiting = new Set<() => void>();

  /** Something happened: conditions are looked at again. */
  changed(): void {
    for (const wake of this.#waiting) wake();
  }

  /** The first truthy value of `look`; undefined when there is none within `timeoutMs`. */
  async until<Found>(look: () => Found | false | undefined, timeoutMs: number): Promise<Found | undefined> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const found = look();
      if (found !== undefined && found !== false) return found;
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) return undefined;
      await this.#next(leftMs);
    }
  }

  #next(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      // After a stall timers come before the messages that wait in the socket: those are read first.
      const timer = setTimeout(() => setImmediate(wake), timeoutMs);
      this.#waiting.add(wake);
    });
  }
}
