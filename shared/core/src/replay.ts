import { headOf } from '@sluice/protocol';
import type { StoredRecord, TokenRecord } from '@sluice/protocol';

/**
 * Walks a generation's log backwards along `prev`, one record per chunk, until the chunk that holds
 * the token after `from`. Cost: the missed tokens / 32 reads, whatever else the stream holds.
 */
export type Walk =
  /** read the record with this stream sequence and hand it to `step` */
  | { readonly type: 'fetch'; readonly sequence: number }
  /** records oldest first: applying them in order tiles (from, head] */
  | { readonly type: 'complete'; readonly records: readonly TokenRecord[] }
  /** retention has removed what was needed; the records are those that are left */
  | { readonly type: 'expired'; readonly records: readonly TokenRecord[] };

export class ChunkWalk {
  readonly #from: number;
  /** newest first */
  readonly #records: TokenRecord[];

  /** @param from seq the reader has, in the newest record's epoch */
  constructor(newest: TokenRecord, from: number) {
    this.#from = from;
    this.#records = [newest];
  }

  next(): Walk {
    const oldest = this.#records.at(-1) as TokenRecord;
    if (oldest.base <= this.#from) return { type: 'complete', records: this.#ordered() };
    if (oldest.prev === 0) return { type: 'expired', records: this.#ordered() };
    return { type: 'fetch', sequence: oldest.prev };
  }

  /** The record read for the last `fetch`; undefined when the stream no longer has it. */
  step(fetched: StoredRecord | undefined): Walk {
    const oldest = this.#records.at(-1) as TokenRecord;
    const linked = fetched?.sequence === oldest.prev && isLinked(fetched.record, oldest);
    if (!linked) return { type: 'expired', records: this.#ordered() };
    this.#records.push(fetched.record);
    return this.next();
  }

  #ordered(): TokenRecord[] {
    return this.#records.toReversed();
  }
}

/**
 * A chunk's `prev` must be the last record of the chunk before: same epoch, ending where it starts, and
 * not empty, so that every step lowers the base and a walk over a malformed log ends.
 */
const isLinked = (previous: TokenRecord, next: TokenRecord): boolean =>
  previous.epoch === next.epoch && previous.tokens.length > 0 && headOf(previous) === next.base;
