import { headOf, kindOf, partRefOf, textOf, toolOf } from '@sluice/protocol';
import type { End, PartRef, Token, TokenKind, TokenRecord, ToolRef } from '@sluice/protocol';

/** What applying a record did. `hole`: tokens before it are missing, read their chunks first. */
export type Applied = 'advanced' | 'unchanged' | 'restarted' | 'hole';

/** Consecutive tokens that one frame may hold: one kind, and one tool call or part. */
type Run = {
  readonly start: number;
  readonly kind: TokenKind;
  readonly tool: ToolRef | undefined;
  readonly part: PartRef | undefined;
};

/** Tokens (from, seq] of one run; `text` is JSON-escaped UTF-8 without the quotes, a view into the buffer. */
export type Slice = {
  readonly seq: number;
  readonly kind: TokenKind;
  readonly tool: ToolRef | undefined;
  readonly part: PartRef | undefined;
  readonly text: Buffer;
};

const FIRST_BYTES = 256;
/** Most text of one slice, bytes: a frame that is larger would hold up all others on its connection. */
const MAX_SLICE_BYTES = 256 * 1024;
/** Which call, or which part, a piece belongs to that names none. */
const FIRST = { index: 0 };

/**
 * The tokens (base, head] of one generation, kept as the bytes that frames are made of: JSON-escaped
 * text in one slab and one end offset per token, so replay of any length is one copy.
 */
export class GenerationBuffer {
  #epoch: number;
  #base: number;
  #count = 0;
  #slab = Buffer.allocUnsafe(FIRST_BYTES);
  #ends: number[] = [];
  #runs: Run[] = [];
  #end: End | undefined;
  #at = 0;
  #attempt = 0;

  /** An empty buffer that starts after `base`: the first record must not start later. */
  constructor(epoch = 0, base = 0) {
    this.#epoch = epoch;
    this.#base = base;
  }

  get epoch(): number {
    return this.#epoch;
  }
  /** seq before the oldest token held. */
  get base(): number {
    return this.#base;
  }
  /** seq of the newest token. */
  get head(): number {
    return this.#base + this.#count;
  }
  get end(): End | undefined {
    return this.#end;
  }
  /** When the newest record was made, ms since the Unix epoch. */
  get at(): number {
    return this.#at;
  }
  get attempt(): number {
    return this.#attempt;
  }
  /** Bytes of text held. */
  get bytes(): number {
    return this.#ends.at(-1) ?? 0;
  }

  /** Adds what a record has beyond the head. Records may come repeatedly and out of order. */
  apply(record: TokenRecord): Applied {
    if (record.epoch < this.#epoch) return 'unchanged';
    if (record.epoch > this.#epoch) {
      if (record.base > 0) return 'hole';
      this.#restart(record.epoch);
      this.#append(record);
      return 'restarted';
    }
    if (record.base > this.head) return 'hole';
    if (this.#end !== undefined) return 'unchanged';
    const news = headOf(record) > this.head || record.end !== undefined;
    if (!news && record.attempt <= this.#attempt) return 'unchanged';
    this.#append(record);
    return news ? 'advanced' : 'unchanged';
  }

  /** The longest slice after `from` that one frame may hold, or undefined when there is none. */
  slice(from: number): Slice | undefined {
    if (from < this.#base || from >= this.head) return undefined;
    const index = this.#runAt(from);
    const run = this.#runs[index] as Run;
    const next = this.#runs[index + 1];
    const seq = this.#within(from, next === undefined ? this.head : next.start);
    const text = this.#slab.subarray(this.#offset(from), this.#offset(seq));
    const { kind, tool, part } = run;
    return from === run.start
      ? { seq, kind, tool, part, text }
      : { seq, kind, tool: continued(tool), part: continued(part), text };
  }

  #restart(epoch: number): void {
    this.#epoch = epoch;
    this.#base = 0;
    this.#count = 0;
    // Not reused: slices of the old text are views into it and may still wait for a socket.
    this.#slab = Buffer.allocUnsafe(FIRST_BYTES);
    this.#ends = [];
    this.#runs = [];
    this.#end = undefined;
  }

  #append(record: TokenRecord): void {
    for (let i = this.head - record.base; i < record.tokens.length; i += 1) {
      this.#push(record.tokens[i] as Token);
    }
    this.#end = record.end;
    this.#at = record.at;
    this.#attempt = record.attempt;
  }

  #push(token: Token): void {
    this.#mark(token);
    const quoted = JSON.stringify(textOf(token));
    const start = this.bytes;
    // A UTF-16 unit takes at most 3 bytes of UTF-8.
    this.#reserve(start + quoted.length * 3);
    const written = this.#slab.write(quoted, start);
    // The quotes are cut: the first by shifting the text over it, the last by the end offset.
    this.#slab.copyWithin(start, start + 1, start + written - 1);
    this.#ends.push(start + written - 2);
    this.#count += 1;
  }

  /** Starts a run where the kind, the tool call or the part changes, or where a piece brings more than their number. */
  #mark(token: Token): void {
    const kind = kindOf(token);
    const tool = kind === 'tool_call' ? (toolOf(token) ?? FIRST) : undefined;
    const part = kind === 'part' ? (partRefOf(token) ?? FIRST) : undefined;
    const last = this.#runs.at(-1);
    const same = last?.kind === kind && goesOn(last.tool, tool) && goesOn(last.part, part);
    if (!same) this.#runs.push({ start: this.head, kind, tool, part });
  }

  #offset(seq: number): number {
    return seq === this.#base ? 0 : (this.#ends[seq - this.#base - 1] as number);
  }

  /** The last token up to `to` that a slice after `from` has room for; it has one in any case. */
  #within(from: number, to: number): number {
    const most = this.#offset(from) + MAX_SLICE_BYTES;
    if (this.#offset(to) <= most) return to;
    let [low, high] = [from + 1, to];
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (this.#offset(middle) <= most) low = middle;
      else high = middle;
    }
    return low;
  }

  /** Index of the run that the token after `from` belongs to; readers are mostly at the last one. */
  #runAt(from: number): number {
    let [low, high] = [0, this.#runs.length];
    for (let middle = high - 1; high - low > 1; middle = (low + high) >>> 1) {
      if ((this.#runs[middle] as Run).start <= from) low = middle;
      else high = middle;
    }
    return low;
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#slab.length) return;
    const larger = Buffer.allocUnsafe(Math.max(bytes, this.#slab.length * 2));
    this.#slab.copy(larger, 0, 0, this.bytes);
    this.#slab = larger;
  }
}

type Ref = ToolRef | PartRef | undefined;

const goesOn = (last: Ref, next: Ref): boolean =>
  last?.index === next?.index && (next === undefined || isNumberOnly(next));

const isNumberOnly = (ref: ToolRef & PartRef): boolean =>
  ref.id === undefined && ref.name === undefined && ref.type === undefined;

/** How the later pieces of a call or a part name it: by index alone, whatever the frames were cut into. */
const continued = (ref: Ref): { readonly index: number } | undefined =>
  ref === undefined ? undefined : { index: ref.index };
