import type { StoredGeneration } from '@sluice/core';
import { withoutText } from '@sluice/protocol';
import type { GenerationKey, Item, ItemId, MessageItem, PromptBody, Org, SessionKey } from '@sluice/protocol';

/** An item as stored: its `rev` is the sequence it was stored under. */
export type StoredItem = {
  readonly rev: number;
  readonly item: StoredGeneration | Omit<MessageItem, 'rev'>;
};
export type ItemBody = StoredItem['item'];
/** A generation's item and the rev it was read at. */
export type GenerationVersion = { readonly rev: number; readonly item: StoredGeneration };

/** The request as sent, never changed after: the idempotency gate of a generation id. */
export type PromptEntry = {
  /** hash of the canonical body: a repeat with another one is a conflict */
  readonly hash: string;
  readonly user: string;
  /** ms since the Unix epoch */
  readonly createdAt: number;
  /** `model` is filled in */
  readonly body: PromptBody & { readonly model: string };
  /** what asked for it, in the trace of the client's or of the edge's own */
  readonly traceparent?: string;
  /** what an edge has to tell of the request again; no worker reads it */
  readonly note?: object;
  /** what of its session the prompt continues; none with `messages`, and none in entries of earlier versions */
  readonly history?: History;
};

/**
 * The past of a session when a prompt came: what was final up to this `rev`, and the generations whose end was in the
 * log up to this sequence of its stream, since whoever prompts may have seen an end before its item said so. Neither
 * changes any more.
 */
export type History = { readonly rev: number; readonly log: number };

/** In place of an item that was erased. */
export type ErasedItem = { readonly rev: number; readonly id: string };

export type ItemPage = {
  /** oldest change first */
  readonly items: readonly StoredItem[];
  /** those that were erased since */
  readonly erased: readonly ErasedItem[];
  /** rev of the last one; the given `since` when there is none */
  readonly rev: number;
  /** whether there are newer items that did not fit */
  readonly more: boolean;
};

/** Which store revs belong to, and how far it is. */
export type StoreState = {
  /** another one once the store was replaced or marked as restored; 1-64 letters, digits, `_`, `-` */
  readonly store: string;
  /** the highest rev that it has given to any item */
  readonly rev: number;
};

/**
 * Session state: what was asked, and what became of it. An item or a prompt that cannot be read is as good as absent,
 * but its key is taken. Items are small: what is too large for one is written apart first, and read by `whole`. All methods
 * throw BusUnavailableError, and those that write BusRefusedError.
 */
export type SessionStore = {
  /** Stores the prompt unless its key is taken; `entry` is what is there, ours or not: undefined when it is no prompt. */
  createPrompt(
    key: GenerationKey,
    entry: PromptEntry,
  ): Promise<{ created: boolean; entry: PromptEntry | undefined }>;
  prompt(key: GenerationKey): Promise<PromptEntry | undefined>;
  /** Stores the item unless its id is taken; undefined when it is. */
  createItem(key: SessionKey, item: ItemBody): Promise<number | undefined>;
  item(key: SessionKey, id: ItemId): Promise<StoredItem | undefined>;
  /** Replaces the item if `rev` is still its newest; resolves to the new rev, undefined when it is not. */
  updateItem(key: SessionKey, item: ItemBody, rev: number): Promise<number | undefined>;
  /** Items changed after `since` (0: all), bounded in number and bytes. */
  items(key: SessionKey, since: number): Promise<ItemPage>;
  /** rev of the item that changed last; 0: there is none */
  newestRev(key: SessionKey): Promise<number>;
  store(): Promise<StoreState>;
  /** All items from the one that changed last back to the first, page by page: whoever has enough stops reading. */
  backward(key: SessionKey): AsyncIterable<BackwardPage>;
  /** The item with its texts, also those that are too large for it; undefined when one of them cannot be read. */
  whole(key: SessionKey, item: ItemBody): Promise<ItemBody | undefined>;
};

/** Bounded in number and bytes as an {@link ItemPage}. */
export type BackwardPage = {
  /** newest change first */
  readonly items: readonly StoredItem[];
  /** how many items there are before these */
  readonly older: number;
};

/** Metadata of the stream of items: whoever restores it from a backup sets another value, and so makes it another store. */
export const RESTORE_MARK = 'sluice_restored';

/** A page of items is cut after this many, or once it exceeds {@link MAX_PAGE_BYTES}. */
export const MAX_PAGE_ITEMS = 100;
export const MAX_PAGE_BYTES = 1024 * 1024;

/** What a client may see of a stored item. The text of one that is not done comes as deltas. */
export const toItem = ({ rev, item }: StoredItem): Item => {
  if (item.kind === 'message') return { ...item, rev };
  const { worker: _worker, parkedAt: _parkedAt, cancelledAt: _cancelledAt, ...stated } = item;
  const { promptBytes: _promptBytes, promptHash: _promptHash, traceparent: _trace, ...counted } = stated;
  const { claimedAt: _claimedAt, gpuMs: _gpuMs, savedTokens: _saved, endedAt: _endedAt, ...spent } = counted;
  const { crashes: _crashes, crashSeq: _crashSeq, allCrashes: _allCrashes, ...visible } = spent;
  return item.status === 'done' ? { ...visible, rev } : withoutText({ ...visible, rev });
};

/** A generation that is listed as not done. */
export type OpenGeneration = {
  readonly key: GenerationKey;
  /** which entry this is: a later one of the same generation has another */
  readonly entry: number;
};

export type OpenPage = {
  /** oldest entry first */
  readonly open: readonly OpenGeneration[];
  /** to be listed after for the rest; undefined: that was all */
  readonly next: number | undefined;
};

/**
 * Every generation that is not done, so that whoever looks finds what nobody else remembers. Says nothing of their state:
 * that is in their items. One that is done may be listed for a moment more. All methods throw BusUnavailableError.
 */
export type OpenGenerations = {
  /** To be stored before the item. Idempotent. */
  add(key: GenerationKey): Promise<void>;
  /** @param entry only this one: nothing happens where it was added again; default whatever is there */
  remove(key: GenerationKey, entry?: number): Promise<void>;
  /** @param after default from the beginning. @param org default those of all */
  list(after?: number, org?: Org): Promise<OpenPage>;
};

/** Entries that are listed at once. */
export const MAX_OPEN_PAGE = 1_000;
