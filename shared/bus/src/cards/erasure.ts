import type { ItemId, SessionKey, StoredRecord, TokenRecord } from '@sluice/protocol';
import { headOf } from '@sluice/protocol';

/** For so long nothing can be stored under the same ids, ms; default as long as what was there would have been kept. */
export type ErasureOptions = { readonly ttlMs?: number | undefined };

/**
 * Takes content out of the store. Services may not delete, so it is overwritten with `ERASED`: streams keep one message per
 * subject. All methods are idempotent, and throw BusUnavailableError and BusRefusedError.
 */
export type Erasure = {
  /** Ids under which the session has, or had a while ago, an item, a prompt, a body or a log. */
  ids(key: SessionKey): Promise<readonly ItemId[]>;
  /**
   * Where an item stands, also one that cannot be read. `isErased`: nothing is left of it.
   * @returns undefined: there is none
   */
  stand(
    key: SessionKey,
    id: ItemId,
  ): Promise<{ readonly rev: number; readonly isErased: boolean } | undefined>;
  /** Erases an item if `rev` is still its newest. @returns its new rev; undefined: it has changed meanwhile */
  item(
    key: SessionKey,
    id: ItemId,
    options: ErasureOptions & { readonly rev: number },
  ): Promise<number | undefined>;
  /**
   * Erases what was stored beside an item that is erased: its prompt, bodies and log. The log of a generation is fenced
   * first, so that no attempt can store anything in it any more.
   */
  rest(key: SessionKey, id: ItemId, options?: ErasureOptions): Promise<void>;
};

/** Higher than that of any attempt. */
const FENCE_ATTEMPT = 1_000_000_000;

export const isFence = ({ attempt }: TokenRecord): boolean => attempt === FENCE_ATTEMPT;

/** A record that says nothing but that the log is over: every attempt is an older one. */
export const fenceRecord = (head: StoredRecord | undefined): TokenRecord => ({
  v: 2,
  epoch: head?.record.epoch ?? 0,
  attempt: FENCE_ATTEMPT,
  base: head === undefined ? 0 : headOf(head.record),
  at: head?.record.at ?? 0,
  tokens: [],
  end: { reason: 'cancelled' },
});
