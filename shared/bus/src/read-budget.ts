type Waiting = { readonly cost: number; readonly start: () => void };

/** Bounds what is asked for at once: reads start in the order in which they came, as soon as there is room. */
export class ReadBudget {
  readonly #size: number;
  readonly #waiting: Waiting[] = [];
  #used = 0;

  constructor(size: number) {
    this.#size = size;
  }

  /** @param cost counts until the read has settled; one above the size waits until it is alone */
  async spend<Answer>(cost: number, read: () => Promise<Answer>): Promise<Answer> {
    const share = Math.min(cost, this.#size);
    await new Promise<void>((start) => {
      this.#waiting.push({ cost: share, start });
      this.#startNext();
    });
    try {
      return await read();
    } finally {
      this.#used -= share;
      this.#startNext();
    }
  }

  #startNext(): void {
    for (let [next] = this.#waiting; next !== undefined; [next] = this.#waiting) {
      if (this.#used + next.cost > this.#size) return;
      this.#waiting.shift();
      this.#used += next.cost;
      next.start();
    }
  }
}
