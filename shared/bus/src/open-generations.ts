import type { GenerationKey } from '@sluice/protocol';

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
  /** @param after default from the beginning */
  list(after?: number): Promise<OpenPage>;
};

/** Entries that are listed at once. */
export const MAX_OPEN_PAGE = 1_000;
