import type { Link } from '@sluice/bus';
import type { Logger } from '@sluice/runtime';

/** The fill of the streams changes slowly: it is read this often, ms. */
const READ_MS = 5_000;

/** How full the fullest stream is, as of a moment ago. */
export class StorageFill {
  readonly #link: Link;
  readonly #logger: Logger;
  #timer: NodeJS.Timeout | undefined;
  #fullness = 0;

  constructor(link: Link, logger: Logger) {
    this.#link = link;
    this.#logger = logger;
  }

  /** Resolves after a first look: an edge that starts on a full store admits nothing. */
  async open(): Promise<void> {
    await this.#read();
    this.#timer = setInterval(() => void this.#read(), READ_MS);
  }

  /** 0..1; 0 while nothing could be read yet */
  get fullness(): number {
    return this.#fullness;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #read(): Promise<void> {
    try {
      this.#fullness = await this.#link.fullness();
    } catch (error) {
      this.#logger.warn('stream_usage_failed', { error });
    }
  }
}
