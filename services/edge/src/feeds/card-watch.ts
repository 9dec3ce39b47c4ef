import { isTombstone } from '@sluice/bus';
import type { StoredCard } from '@sluice/bus';
import { noteActivity } from '@sluice/lifecycle';
import { RESERVED_PREFIX, SluiceError } from '@sluice/protocol';
import type { SessionKey } from '@sluice/protocol';
import type { FeedContext } from './feed-context.ts';

export type CardListener = {
  /** The session has another title, or none any more. */
  renamed(title: string | undefined): void;
  /** Nothing more comes of this session. */
  deleted(): void;
  /** Whether anything is stored in the session, once that was listed. @throws BusUnavailableError */
  hasItems(): Promise<boolean>;
};

/** Whether a session is deleted, and its title, as this edge hears of them: live, and by looking now and then. */
export class CardWatch {
  readonly #key: SessionKey;
  readonly #context: FeedContext;
  readonly #listener: CardListener;
  readonly #hasCard: boolean;
  #rev = 0;
  #title: string | undefined;
  #isDeleted = false;
  #hasLooked = false;

  constructor(key: SessionKey, context: FeedContext, listener: CardListener) {
    this.#key = key;
    this.#context = context;
    this.#listener = listener;
    this.#hasCard = !key.session.startsWith(RESERVED_PREFIX);
  }

  get title(): string | undefined {
    return this.#title;
  }

  /** Looks before somebody attaches. @throws SluiceError session_deleted; BusUnavailableError */
  async open(): Promise<void> {
    // A tombstone expires, and then the session may begin anew.
    if (!this.#hasLooked || this.#isDeleted) await this.look();
    if (this.#isDeleted) throw new SluiceError('session_deleted', 'this session was deleted');
  }

  /** A card came live. */
  live(stored: StoredCard): void {
    if (stored.rev > this.#rev) this.#take(stored);
  }

  /** Live cards may have been missed. @throws BusUnavailableError */
  async look(): Promise<void> {
    if (!this.#hasCard) return;
    const { bus, logger } = this.#context;
    const stored = await bus.cards.read(this.#key);
    const isFirst = !this.#hasLooked;
    this.#hasLooked = true;
    if (stored !== undefined) return this.#take(stored);
    this.#isDeleted = false;
    if (!isFirst) return;
    this.#mend().catch((error: unknown) =>
      logger.warn('session_card_failed', { session: this.#key.session, error }),
    );
  }

  /** Of an earlier release, or its edge died before it wrote a card: a session without items gets none. */
  async #mend(): Promise<void> {
    const { bus, turns } = this.#context;
    // Most sessions without a card are new.
    if (await this.#listener.hasItems()) await turns.run(() => noteActivity(bus, this.#key, 0));
  }

  #take({ rev, card }: StoredCard): void {
    this.#rev = rev;
    const [wasDeleted, title] = [this.#isDeleted, this.#title];
    this.#isDeleted = isTombstone(card);
    this.#title = isTombstone(card) ? undefined : card.title;
    if (this.#isDeleted) return wasDeleted ? undefined : this.#listener.deleted();
    if (title !== this.#title) this.#listener.renamed(this.#title);
  }
}
