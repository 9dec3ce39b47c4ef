import type { Link } from '@sluice/bus';
import type { Logger } from '@sluice/runtime';

/** The fill of the streams changes slowly: it is read this often, ms. */
const READ_MS = 5_000;

/** How full the fullest stream is, as of a moment ago. */
export class StorageFill {
  readonly #link: Link;
  readonly #logger: Logger;
  readonly #timer: NodeJS.Timeout;
  #fullness = 0;

  private constructor(link: Link, logger: Logger) {
    this.#link = link;
    this.#logger = logger;
    this.#timer = setInterval(() => void this.#read(), READ_MS);
  }

  /** Resolves after a first look: an edge that starts on a full store admits nothing. */
  static async open(link: Link, logger: Logger): Promise<StorageFill> {
    const fill = new StorageFill(link, logger);
    await fill.#read();
    return fill;
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
