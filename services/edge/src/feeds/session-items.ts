import type { ErasedItem, StoredItem } from '@sluice/bus';
import { ItemCursor } from '@sluice/core';
import type { SessionKey } from '@sluice/protocol';
import type { FeedContext } from './feed-context.ts';

/** What was told is compared with what is stored once in this time, ms; each session at a time of its own. */
const CHECK_MS = 60_000;
/** So many items that were announced, and that no list has passed yet, are remembered before there is another list. */
const MAX_AHEAD = 256;

export type ItemsListener = {
  /** A version that is newer than all that was told of this item. */
  changed(stored: StoredItem): void;
  /** An item is no more. */
  gone(erased: ErasedItem): void;
  /** Everything that was stored up to `rev` has been told. */
  listed(rev: number): void;
  /** The store has less of this session than it had: what was told means nothing any more. */
  reset(): void;
  /** To compare what else is told of the session. */
  look(): Promise<void>;
};

/**
 * The items of one session as this edge hears of them: live, and from lists, which bring what was never heard. Live
 * messages do get lost, and nothing tells: after a reconnect, and once a minute, the newest rev is compared.
 */
export class SessionItems {
  readonly #key: SessionKey;
  readonly #context: FeedContext;
  readonly #listener: ItemsListener;
  readonly #cursor = new ItemCursor();
  #liveRev = 0;
  #checkAt: number;
  /** to be compared as soon as possible */
  #isDue = false;
  #isChecking = false;
  #isClosed = false;

  constructor(key: SessionKey, context: FeedContext, listener: ItemsListener) {
    this.#key = key;
    this.#context = context;
    this.#listener = listener;
    this.#checkAt = nextCheck(context.clock.now());
  }

  /** Whether any was heard of so far. */
  get isEmpty(): boolean {
    return this.#cursor.newest === 0;
  }

  /** A version came live. They come in the order in which they were stored: unless that is another store by now. */
  live(stored: StoredItem): void {
    if (stored.rev < this.#liveRev) this.#context.store.doubt();
    this.#liveRev = stored.rev;
    this.take(stored);
  }

  /** An item was heard to be erased. */
  erased(erased: ErasedItem): void {
    if (this.#isClosed || !this.#cursor.take(erased.id, erased.rev)) return;
    this.#context.store.heard(erased.rev);
    this.#listener.gone(erased);
  }

  /** A version was heard of. */
  take(stored: StoredItem): void {
    if (this.#isClosed || !this.#cursor.take(stored.item.id, stored.rev)) return;
    this.#context.store.heard(stored.rev);
    this.#isDue ||= this.#cursor.ahead > MAX_AHEAD;
    this.#listener.changed(stored);
  }

  /** Reads page after page, from where the last list ended. @throws BusUnavailableError */
  async list(): Promise<void> {
    const { sessions } = this.#context.bus;
    for (let more = true; more;) {
      const page = await sessions.items(this.#key, this.#cursor.rev);
      if (this.#isClosed) return;
      for (const stored of page.items) this.take(stored);
      for (const erased of page.erased) this.erased(erased);
      this.#cursor.listed(page.rev);
      this.#context.store.heard(page.rev);
      ({ more } = page);
    }
    this.#listener.listed(this.#cursor.rev);
  }

  /** Called about once a second. */
  tick(now: number): void {
    this.#isDue ||= now >= this.#checkAt;
    if (this.#isDue) void this.#check();
  }

  /** Live items may have been missed: compares now, and until that can be done. */
  recheck(): void {
    this.#isDue = true;
    void this.#check();
  }

  /** Nothing more is told. */
  close(): void {
    this.#isClosed = true;
  }

  async #check(): Promise<void> {
    if (this.#isChecking) return;
    this.#isChecking = true;
    const { clock, turns, logger } = this.#context;
    try {
      while (this.#isDue && !this.#isClosed) {
        this.#isDue = false;
        await turns.run(() => this.#compare());
      }
      this.#checkAt = nextCheck(clock.now());
    } catch (error) {
      // The next tick looks again.
      this.#isDue = true;
      logger.warn('session_recheck_failed', { session: this.#key.session, error });
    } finally {
      this.#isChecking = false;
    }
  }

  async #compare(): Promise<void> {
    const known = this.#cursor.newest;
    const reading = this.#context.bus.sessions.newestRev(this.#key);
    const [newest] = await Promise.all([reading, this.#listener.look()]);
    if (this.#isClosed) return;
    // None is no proof: all of it may have expired. What has expired in part still has its newest item.
    if (newest > 0 && newest < known) this.#listener.reset();
    else if (newest > this.#cursor.rev) await this.list();
  }
}

/** Not all at once, also where all began at once: between half of the time and all of it. */
const nextCheck = (now: number): number => now + CHECK_MS * (0.5 + Math.random() / 2);
