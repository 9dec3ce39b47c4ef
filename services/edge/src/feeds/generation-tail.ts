import { readChain } from '@sluice/bus';
import type { Bus, GenerationVersion, StoredItem } from '@sluice/bus';
import { GenerationBuffer } from '@sluice/core';
import type { StoredGeneration } from '@sluice/core';
import { headOf, withoutSaid } from '@sluice/protocol';
import type { End, GenerationKey, TokenRecord } from '@sluice/protocol';
import { bufferOf, bufferOfItem, endOf } from './generation-log.ts';

export type TailOwner = {
  /** seq of the oldest position that is needed in this epoch; Infinity: none is */
  oldestNeeded(epoch: number, head: number): number;
  /** A read of the log or of the item brought something new. */
  changed(): void;
  /** A read failed; the next tail check tries again. */
  failed(error: unknown): void;
};

/**
 * What became of a live record: `applied` to the buffer; it left a `hole`, which is being filled from the log;
 * `kept` until the log has been read.
 */
export type RecordOutcome = 'applied' | 'hole' | 'kept';

/** A silent open generation is looked at after this long, then less and less often, ms. */
const FIRST_CHECK_MS = 1_500;
const MAX_CHECK_MS = 10_000;
/** A read that failed is tried again after this long, ms. */
const RETRY_MS = 1_000;
/** One that has brought nothing after this long is given up for another one, ms: every wait needs an end. */
const STUCK_MS = 10_000;

/**
 * This edge's copy of one generation's log, kept up with the live records and repaired from the log.
 * Completeness is decided by numbers alone: a record that does not fit makes it read what is missing,
 * and a timer only ever causes another look at the head.
 */
export class GenerationTail {
  readonly #key: GenerationKey;
  readonly #bus: Bus;
  readonly #owner: TailOwner;
  #state: GenerationVersion;
  #buffer = new GenerationBuffer();
  #loaded = false;
  #exact = true;
  /** seq before the oldest token that retention has left */
  #floor = 0;
  #isLost = false;
  /** newest live record: applied again after a load, which may have read an older head */
  #latest: TokenRecord | undefined;
  #loading = false;
  /** counts loads: one that was given up must not bring what it finds later */
  #load = 0;
  /** when a check first found it loading, ms */
  #loadingSince: number | undefined;
  #again = false;
  /** the last read failed: somebody waits for what it was to bring */
  #isUnread = false;
  #activeAt: number;
  #checkedAt: number;
  #checkAfterMs = FIRST_CHECK_MS;
  #closed = false;

  constructor(
    key: GenerationKey,
    state: GenerationVersion,
    deps: { bus: Bus; owner: TailOwner; now: number },
  ) {
    this.#key = key;
    this.#bus = deps.bus;
    this.#owner = deps.owner;
    this.#state = lean(state);
    this.#activeAt = deps.now;
    this.#checkedAt = deps.now;
  }

  get buffer(): GenerationBuffer {
    return this.#buffer;
  }
  get item(): StoredGeneration {
    return this.#state.item;
  }
  /** Which version of the item this is. */
  get rev(): number {
    return this.#state.rev;
  }
  /** Whether the buffer shows what the log held at some time after the first viewer came. */
  get loaded(): boolean {
    return this.#loaded;
  }
  /** false: made of the item's text, whose token boundaries are unknown; only 0 and the head are positions. */
  get exact(): boolean {
    return this.#exact;
  }
  /** Whether the token after `seq` is gone for good. */
  hasExpired(seq: number): boolean {
    return seq < this.#floor;
  }
  /** Whether that is because the store has lost a text that it should have. */
  get isLost(): boolean {
    return this.#isLost;
  }
  /** When the log or the item last said something new, ms. */
  get activeAt(): number {
    return this.#activeAt;
  }

  /** From the log; from the item where the log has none but all of the text is here. */
  get end(): End | undefined {
    if (this.#buffer.end !== undefined) return this.#buffer.end;
    const { item } = this;
    const whole = item.epoch === this.#buffer.epoch && item.seq === this.#buffer.head;
    return item.status === 'done' && whole ? endOf(item) : undefined;
  }

  /** Nothing more can come. Where tokens have expired the item is still to bring the text. */
  get #isOver(): boolean {
    return this.end !== undefined && (this.#floor === 0 || this.item.status === 'done');
  }

  onRecord(record: TokenRecord, now: number): RecordOutcome {
    this.#active(now);
    this.#latest = record;
    if (!this.#loaded) return 'kept';
    if (this.#buffer.apply(record) !== 'hole') return 'applied';
    this.load();
    return 'hole';
  }

  /** @returns false when this version, or a newer one, was known */
  onItem(state: GenerationVersion, now: number): boolean {
    if (state.rev <= this.#state.rev) return false;
    this.#active(now);
    this.#state = lean(state);
    if (this.item.status === 'done' && this.#loaded) this.#onDone();
    return true;
  }

  #onDone(): void {
    // A generation can end without an end in its log: cancelled before it ran, or storage full.
    if (this.end !== undefined && this.#floor === 0) return;
    // What has expired in the log is in the item now.
    this.#floor = 0;
    this.load();
  }

  /** Looks at head and item if they have been silent for long, or could not be read: live messages can get lost. */
  check(now: number): boolean {
    if (!(this.#isStuck(now) || this.#isCheckDue(now))) return false;
    this.#loading = false;
    this.#checkAfterMs = Math.min(MAX_CHECK_MS, this.#checkAfterMs * 2);
    this.#checkedAt = now;
    void this.#refreshItem();
    this.load();
    return true;
  }

  #isStuck(now: number): boolean {
    this.#loadingSince = this.#loading ? (this.#loadingSince ?? now) : undefined;
    if (this.#loadingSince === undefined || now - this.#loadingSince < STUCK_MS) return false;
    this.#loadingSince = undefined;
    return true;
  }

  #isCheckDue(now: number): boolean {
    if (this.#loading) return false;
    if (this.#isUnread) return now - this.#checkedAt >= RETRY_MS;
    const quietSince = Math.max(this.#activeAt, this.#checkedAt);
    return this.#loaded && !this.#isOver && now - quietSince >= this.#checkAfterMs;
  }

  /** Looks at once, for instance after a reconnect to NATS. */
  checkNow(): void {
    if (!this.#isUnread && (!this.#loaded || this.#isOver)) return;
    void this.#refreshItem();
    this.load();
  }

  /** Reads what the log has and this copy lacks. Calls while it runs make it run once more. */
  load(): void {
    this.#again = true;
    if (this.#loading) return;
    this.#loading = true;
    void this.#loadAll();
  }

  close(): void {
    this.#closed = true;
  }

  async #loadAll(): Promise<void> {
    const load = ++this.#load;
    const isStale = (): boolean => load !== this.#load;
    try {
      while (this.#again && !this.#closed) {
        this.#again = false;
        await this.#loadOnce(isStale);
        if (isStale()) return;
        const latest = this.#latest;
        if (latest !== undefined && this.#exact && this.#buffer.apply(latest) === 'hole') this.#again = true;
      }
      this.#isUnread = false;
      if (!this.#closed) this.#owner.changed();
    } catch (error) {
      if (isStale()) return;
      this.#isUnread = true;
      this.#owner.failed(error);
    } finally {
      if (!isStale()) this.#loading = false;
    }
  }

  async #loadOnce(isStale: () => boolean): Promise<void> {
    const { tokens } = this.#bus;
    const { item } = this;
    const head = await tokens.head(this.#key);
    if (head === undefined) return this.#loadItem(isStale);
    const { record: newest } = head;
    const from = this.#needed(newest);
    const chain = await readChain(tokens, this.#key, head, from);
    if (isStale()) return;
    if (!chain.complete && this.item.status === 'done') return this.#loadItem(isStale);
    if (isPastLog(item, newest)) return this.#loadItem(isStale);
    this.#floor = chain.complete ? 0 : (chain.records[0]?.base ?? 0);
    const extends_ = this.#loaded && newest.epoch === this.#buffer.epoch && from >= this.#buffer.base;
    if (extends_) for (const record of chain.records) this.#buffer.apply(record);
    else this.#buffer = bufferOf(chain);
    this.#loaded = true;
    this.#exact = true;
  }

  /** The log has nothing, or no longer its beginning, or never got its end: what the item says is all there is. */
  async #loadItem(isStale: () => boolean): Promise<void> {
    if (this.item.status === 'done') {
      const { sessions } = this.#bus;
      const stored = await sessions.item(this.#key, this.#key.generation);
      const item = stored && (await sessions.whole(this.#key, stored.item));
      if (isStale()) return;
      this.#isLost = stored !== undefined && item === undefined;
      if (item?.kind === 'generation' && item.status === 'done') {
        this.#buffer = bufferOfItem(item);
        this.#exact = false;
      }
      // Whoever has all of it still gets the end.
      if (this.#isLost) this.#buffer = new GenerationBuffer(this.item.epoch, this.item.seq);
    }
    this.#floor = this.#buffer.base;
    this.#loaded = true;
  }

  /** From where on records are needed: the head of this copy, or further back if a reader is there. */
  #needed(newest: TokenRecord): number {
    const head = newest.base + newest.tokens.length;
    const oldest = this.#owner.oldestNeeded(newest.epoch, head);
    const isCopy = this.#loaded && this.#exact && newest.epoch === this.#buffer.epoch;
    if (isCopy && oldest >= this.#buffer.base) return Math.min(this.#buffer.head, head);
    return Math.min(oldest, head);
  }

  async #refreshItem(): Promise<void> {
    try {
      const stored: StoredItem | undefined = await this.#bus.sessions.item(this.#key, this.#key.generation);
      if (stored?.item.kind !== 'generation') return;
      if (this.onItem({ rev: stored.rev, item: stored.item }, this.#activeAt)) this.#owner.changed();
    } catch (error) {
      this.#owner.failed(error);
    }
  }

  #active(now: number): void {
    this.#activeAt = now;
    this.#checkAfterMs = FIRST_CHECK_MS;
  }
}

/**
 * Whether an item that was known before the log was read has an end that the log will never have, elsewhere than where
 * the log stands: it was full.
 */
const isPastLog = ({ status, epoch, seq }: StoredGeneration, newest: TokenRecord): boolean =>
  status === 'done' && newest.end === undefined && (epoch !== newest.epoch || seq !== headOf(newest));

/** Texts are in the buffer, or in the store: a copy here would double them. */
const lean = ({ rev, item }: GenerationVersion): GenerationVersion => ({ rev, item: withoutSaid(item) });
