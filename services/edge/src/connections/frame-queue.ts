/** Frames waiting behind one that talks to NATS; a client that sends more does not wait for answers. */
const MAX_WAITING = 256;
/** What they may hold together, characters of their texts. */
const MAX_WAITING_SIZE = 1024 * 1024;

/** Handles a connection's frames in order, one at a time, and bounds those that wait for their turn. */
export class FrameQueue {
  #tail: Promise<void> = Promise.resolve();
  #waiting = 0;
  #size = 0;

  /** @returns false when the queue is full, and the work was not taken. `work` must not reject. */
  add(size: number, work: () => Promise<void>): boolean {
    const isTooMuch = this.#waiting > 0 && this.#size + size > MAX_WAITING_SIZE;
    if (isTooMuch || this.#waiting >= MAX_WAITING) return false;
    this.#waiting += 1;
    this.#size += size;
    this.#tail = this.#tail.then(() => {
      this.#waiting -= 1;
      this.#size -= size;
      return work();
    });
    return true;
  }
}
