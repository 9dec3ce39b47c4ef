/** Something that collects work within a turn of the event loop and does it at the turn's end. */
export type Flushable = { flush(): void };

/**
 * Runs each scheduled flush once per event-loop turn: everything that arrived in the turn rides in one
 * frame. At low load a turn holds one token and nothing waits; at high load frames grow by themselves.
 */
export class Flusher {
  #due = new Set<Flushable>();
  #scheduled = false;

  schedule(work: Flushable): void {
    this.#due.add(work);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#run());
  }

  #run(): void {
    this.#scheduled = false;
    const due = this.#due;
    this.#due = new Set();
    for (const work of due) work.flush();
  }
}
