import { MAX_CHUNK_TOKENS, MAX_RECORD_BYTES, headOf } from '@sluice/protocol';
import type { End, StoredRecord, Token, TokenRecord } from '@sluice/protocol';

/**
 * A chunk is closed early once its encoded tokens reach this many characters. Each record repeats its
 * chunk, so this bounds what is written per token when tokens are large.
 */
const CHUNK_SOFT_LENGTH = 8 * 1024;

/** An encoded record, ready to publish, and the seq its newest token has. */
export type Draft = {
  readonly payload: string;
  /** stream sequence that must still be the generation's last one; 0: it must have no record yet */
  readonly expected: number;
  /** number of the chunk it is the newest record of */
  readonly chunk: number;
  readonly attempt: number;
  readonly epoch: number;
  readonly head: number;
  readonly final: boolean;
  /** the chunk that this draft closes, where it begins the next: stored again if a foreign message replaced it */
  readonly closed: ClosedChunk | undefined;
};

export type ClosedChunk = Pick<Draft, 'chunk' | 'payload'>;

type Chunk = {
  number: number;
  base: number;
  count: number;
  /** the tokens, each encoded as JSON, joined by commas: appended to, never encoded again */
  json: string;
};

/**
 * The write side of a generation's log: turns tokens into records, one draft at a time.
 * Pure: `draft` proposes, `stored` confirms with the sequence NATS gave it, and only then may the next
 * be drafted (one publish in flight per generation).
 */
export class ChunkWriter {
  readonly epoch: number;
  readonly attempt: number;
  #chunk: Chunk;
  #next: { readonly chunk: Chunk; readonly final: boolean; readonly payload: string } | undefined;
  /** of the newest record; undefined: this writer has stored none yet */
  #payload: string | undefined;
  #last: number;
  #ended: boolean;

  /**
   * @param attempt this claim's number, from 1
   * @param head the newest stored record, undefined when the log is empty
   * @param epoch the epoch to write in: the head's own to continue its text, a larger one to restart
   * @throws TypeError when the head is of a newer attempt: we are fenced, a claim would fence the fencer
   */
  constructor(attempt: number, epoch = 0, head?: StoredRecord) {
    if (head !== undefined) assertMayContinue(head.record, attempt, epoch);
    this.attempt = attempt;
    this.epoch = epoch;
    this.#last = head?.sequence ?? 0;
    this.#ended = head?.record.end !== undefined;
    if (head === undefined || head.record.epoch !== epoch) {
      this.#chunk = { number: head === undefined ? 0 : head.chunk + 1, base: 0, count: 0, json: '' };
    } else {
      const { base, tokens } = head.record;
      const json = tokens.map((token) => JSON.stringify(token)).join(',');
      this.#chunk = { number: head.chunk, base, count: tokens.length, json };
    }
  }

  /** seq of the newest stored token. */
  get head(): number {
    return this.#chunk.base + this.#chunk.count;
  }

  /** Stream sequence of the newest stored record. */
  get sequence(): number {
    return this.#last;
  }

  /**
   * Drafts the next record from the tokens that wait. Takes as many as fit the chunk, from the front
   * of `pending`; `taken` says how many. `end` is included only when nothing is left to take.
   * With no tokens and no end the draft is a claim: the chunk so far under this attempt.
   *
   * Changes nothing until `stored`. While it is unknown whether a draft was stored, that same draft is
   * tried again: another one would be taken for somebody else's record. One that was surely refused may
   * be replaced by drafting again.
   * @throws RangeError when the record would exceed MAX_RECORD_BYTES
   * @throws TypeError when the log has its end: whoever read it before would never see what follows
   */
  draft(pending: readonly Token[], at: number, end?: End): { readonly draft: Draft; readonly taken: number } {
    if (this.#ended) throw new TypeError('draft() after the end of the log');
    const chunk = this.#open(pending[0]);
    let taken = 0;
    for (const token of pending) {
      if (chunk.count >= MAX_CHUNK_TOKENS || chunk.json.length >= CHUNK_SOFT_LENGTH) break;
      const json = JSON.stringify(token);
      chunk.json = chunk.count === 0 ? json : `${chunk.json},${json}`;
      chunk.count += 1;
      taken += 1;
    }
    const final = end !== undefined && taken === pending.length;
    const tail = final ? `],"end":${JSON.stringify(end)}}` : ']}';
    const payload =
      `{"v":2,"epoch":${this.epoch},"attempt":${this.attempt},"base":${chunk.base},"at":${at},` +
      `"tokens":[${chunk.json}${tail}`;
    assertFits(payload);
    this.#next = { chunk, final, payload };
    const { attempt, epoch } = this;
    const head = chunk.base + chunk.count;
    const closed = this.#closedBy(chunk);
    return {
      draft: { payload, expected: this.#last, chunk: chunk.number, attempt, epoch, head, final, closed },
      taken,
    };
  }

  #closedBy(next: Chunk): ClosedChunk | undefined {
    const { number: chunk } = this.#chunk;
    return next.number === chunk || this.#payload === undefined
      ? undefined
      : { chunk, payload: this.#payload };
  }

  /** Confirms that the last draft was stored under this stream sequence. */
  stored(sequence: number): void {
    if (this.#next === undefined) throw new TypeError('stored() without a draft');
    this.#chunk = this.#next.chunk;
    this.#ended = this.#next.final;
    this.#payload = this.#next.payload;
    this.#next = undefined;
    this.#last = sequence;
  }

  /** The chunk the next token goes to: the open one while it has room, else the next one. */
  #open(next: Token | undefined): Chunk {
    const room = this.#chunk.count < MAX_CHUNK_TOKENS && this.#chunk.json.length < CHUNK_SOFT_LENGTH;
    if (next === undefined || room) return { ...this.#chunk };
    return { number: this.#chunk.number + 1, base: this.head, count: 0, json: '' };
  }
}

const assertMayContinue = (head: TokenRecord, attempt: number, epoch: number): void => {
  if (head.attempt > attempt)
    throw new TypeError(`attempt: expected at least ${head.attempt} as in the log's head, got ${attempt}`);
  if (head.epoch > epoch)
    throw new TypeError(`epoch: expected at least ${head.epoch} as in the log's head, got ${epoch}`);
};

const assertFits = (payload: string): void => {
  // A UTF-16 unit takes at most 3 bytes of UTF-8: short payloads need no counting.
  if (payload.length * 3 <= MAX_RECORD_BYTES) return;
  const bytes = Buffer.byteLength(payload);
  if (bytes > MAX_RECORD_BYTES)
    throw new RangeError(`record of ${bytes} bytes: expected at most ${MAX_RECORD_BYTES}`);
};

/** Whether a stored record is the one this draft would have written: the head read after an unclear publish. */
export const isSameRecord = (draft: Draft, { chunk, record }: StoredRecord): boolean =>
  chunk === draft.chunk &&
  record.attempt === draft.attempt &&
  record.epoch === draft.epoch &&
  headOf(record) === draft.head &&
  (record.end !== undefined) === draft.final;
