/** While a page is hidden there are no animation frames; what it shows may then lag this much, ms. */
const HIDDEN_MS = 500;

/**
 * Calls `flush` at most once per animation frame after `request`. A flush that took long is followed by a rest
 * of several times as long, so that a huge answer cannot take more than a share of the main thread.
 */
export class FrameLoop {
  readonly #flush: () => void;
  #isRequested = false;
  #restUntil = 0;
  #cancel: () => void = () => undefined;

  constructor(flush: () => void) {
    this.#flush = flush;
  }

  request(): void {
    if (this.#isRequested) return;
    this.#isRequested = true;
    this.#schedule();
  }

  close(): void {
    this.#cancel();
    this.#isRequested = true;
  }

  #schedule(): void {
    if (document.hidden) {
      const timer = setTimeout(() => this.#run(), HIDDEN_MS);
      this.#cancel = () => clearTimeout(timer);
      return;
    }
    const frame = requestAnimationFrame((now) => {
      if (now < this.#restUntil) this.#schedule();
      else this.#run();
    });
    this.#cancel = () => cancelAnimationFrame(frame);
  }

  #run(): void {
    this.#isRequested = false;
    const startedAt = performance.now();
    this.#flush();
    // React renders what the flush told it in a microtask, hence before this one.
    queueMicrotask(() => {
      const now = performance.now();
      const tookMs = now - startedAt;
      this.#restUntil = tookMs > REST_ABOVE_MS ? now + tookMs * REST_FACTOR : 0;
    });
  }
}

/** Cheaper flushes than this run at every frame, ms. */
const REST_ABOVE_MS = 5;
const REST_FACTOR = 3;
