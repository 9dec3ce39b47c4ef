import type { Clock, Logger, Timer } from '@sluice/runtime';
import { KeysUnavailableError, NoKeyError } from './key-errors.ts';
import { fetchKeys } from './published-keys.ts';
import type { PublishedKey } from './published-keys.ts';

/** A key set is read at most this often, ms. */
const COOL_DOWN_MS = 10_000;
/** A read that failed is repeated after this long, ms. */
const AGAIN_MS = 30_000;
const LOG_INTERVAL_MS = 60_000;

export type KeySetOptions = {
  readonly url: string;
  /** how often it is read, ms */
  readonly refreshMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** aborted once nobody asks any more */
  readonly leaving: AbortSignal;
};

/**
 * The keys that an identity provider publishes. All of them are kept, and read again in the background: a token with a
 * known key waits for nobody. While the provider is down, the last keys that it published count.
 */
export class KeySet {
  readonly #options: KeySetOptions;
  #keys: readonly PublishedKey[] | undefined;
  #reading: Promise<void> | undefined;
  #readAt = -Infinity;
  #timer: Timer;
  #unknown = { count: 0, loggedAt: -Infinity };

  constructor(options: KeySetOptions) {
    this.#options = options;
    options.leaving.addEventListener('abort', () => options.clock.clearTimeout(this.#timer));
    void this.#read();
  }

  /** Keys that are known already. */
  known(kid: string | undefined, alg: string): readonly PublishedKey[] {
    return (this.#keys ?? []).filter((key) => key.kid === kid && key.algorithm === alg);
  }

  /**
   * The keys of a token. An unknown `kid` may be a new key: it is worth a read, but no more than the cool-down allows.
   * @throws NoKeyError; KeysUnavailableError as long as the set was never read
   */
  async find(kid: string | undefined, alg: string): Promise<readonly PublishedKey[]> {
    if (this.#keys === undefined || !this.#has(kid)) await this.#look(kid);
    if (this.#keys === undefined) throw new KeysUnavailableError('the key set was not read yet');
    const found = this.known(kid, alg);
    if (found.length > 0) return found;
    if (this.#has(kid)) throw new NoKeyError('no key for this algorithm');
    this.#logUnknown();
    throw new NoKeyError('unknown kid');
  }

  #has(kid: string | undefined): boolean {
    return this.#keys?.some((key) => key.kid === kid) === true;
  }

  async #look(kid: string | undefined): Promise<void> {
    if (kid === undefined && this.#keys !== undefined) return;
    if (this.#reading !== undefined) return this.#reading;
    const coolMs = this.#readAt + COOL_DOWN_MS - this.#options.clock.now();
    if (coolMs <= 0) return this.#read();
    // The next request finds it read.
    this.#schedule(coolMs);
  }

  #read(): Promise<void> {
    this.#readAt = this.#options.clock.now();
    this.#reading = this.#tryRead().then((isRead) => {
      this.#reading = undefined;
      this.#schedule(isRead ? this.#options.refreshMs : AGAIN_MS);
    });
    return this.#reading;
  }

  async #tryRead(): Promise<boolean> {
    const { url, logger } = this.#options;
    try {
      const keys = await fetchKeys(url);
      this.#keys = keys;
      logger.info('key_set_refreshed', { keys: keys.length });
      return true;
    } catch (error) {
      logger.warn('key_set_refresh_failed', { keys: this.#keys?.length ?? 0, error });
      return false;
    }
  }

  #schedule(ms: number): void {
    const { clock, leaving } = this.#options;
    clock.clearTimeout(this.#timer);
    if (!leaving.aborted) this.#timer = clock.setTimeout(() => void this.#read(), ms);
  }

  /** Without the `kid`, which a stranger can choose; once a minute, since a stranger can send thousands. */
  #logUnknown(): void {
    const { clock, logger } = this.#options;
    this.#unknown.count += 1;
    if (clock.now() - this.#unknown.loggedAt < LOG_INTERVAL_MS) return;
    logger.warn('unknown_kid', { count: this.#unknown.count });
    this.#unknown = { count: 0, loggedAt: clock.now() };
  }
}
