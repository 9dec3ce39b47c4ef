import type { Org, SessionKey } from '@sluice/protocol';

/** What is listed of a session. */
export type SessionCard = {
  /** who created it */
  readonly user: string;
  /** ms since the Unix epoch */
  readonly createdAt: number;
  /** when somebody last prompted, wrote or renamed, ms since the Unix epoch */
  readonly activeAt: number;
  readonly title?: string;
};

/** In place of its card: the session is deleted. Its id is free again once this has expired. */
export type Tombstone = { readonly deletedAt: number };

/** `rev`: the sequence it was stored under. It orders the sessions of an org by their last activity. */
export type StoredCard = { readonly rev: number; readonly card: SessionCard | Tombstone };

export const isTombstone = (card: SessionCard | Tombstone): card is Tombstone => 'deletedAt' in card;

export type CardPage = {
  /** newest activity first; tombstones among them */
  readonly cards: readonly (StoredCard & { readonly key: SessionKey })[];
  /** to be listed before for the rest; undefined: that was all */
  readonly next: number | undefined;
};

/** A session of which something is to be erased. `entry`: a later mark of the same session has another one. */
export type ErasureMark = { readonly key: SessionKey; readonly entry: number };

/**
 * One card per session, for listings; and marks of the sessions of which something is to be erased, for sweepers. A card
 * that cannot be read is as good as absent. All methods throw BusUnavailableError, and those that write BusRefusedError.
 */
export type SessionCards = {
  read(key: SessionKey): Promise<StoredCard | undefined>;
  /**
   * Stores the card if `rev` (0: none) is still its newest.
   * @param ttlMs it expires after this long; default as late as an item that is stored now
   * @returns its rev; undefined: another one was faster
   */
  write(
    key: SessionKey,
    card: SessionCard | Tombstone,
    options: { readonly rev: number; readonly ttlMs?: number },
  ): Promise<number | undefined>;
  /** @param before only cards with a lower rev; default from the newest */
  list(org: Org, before?: number): Promise<CardPage>;
  mark(key: SessionKey): Promise<void>;
  /** Nothing happens where the session was marked again. */
  unmark(mark: ErasureMark): Promise<void>;
  /** The oldest first, at most as many as one listing holds. */
  marks(): Promise<readonly ErasureMark[]>;
};

/** Cards that are listed at once. */
export const MAX_CARD_PAGE = 100;
