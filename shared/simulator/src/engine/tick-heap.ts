/** The smallest of a set of numbers, at O(log n) per change. */
export class TickHeap {
  readonly #ticks: number[] = [];

  get smallest(): number | undefined {
    return this.#ticks[0];
  }

  clear(): void {
    this.#ticks.length = 0;
  }

  push(tick: number): void {
    const ticks = this.#ticks;
    let at = ticks.push(tick) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = ticks[parent] ?? tick;
      if (above <= tick) break;
      ticks[at] = above;
      at = parent;
    }
    ticks[at] = tick;
  }

  /** Removes the smallest. Does nothing when empty. */
  pop(): void {
    const ticks = this.#ticks;
    const moved = ticks.pop();
    if (moved === undefined || ticks.length === 0) return;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      const leftTick = ticks[left] ?? Number.POSITIVE_INFINITY;
      const rightTick = ticks[left + 1] ?? Number.POSITIVE_INFINITY;
      const below = Math.min(leftTick, rightTick);
      if (moved <= below) break;
      ticks[at] = below;
      at = rightTick < leftTick ? left + 1 : left;
    }
    ticks[at] = moved;
  }
}
