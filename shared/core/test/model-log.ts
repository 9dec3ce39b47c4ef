/** A generation's subject in a stream, as NATS keeps it: append-only, fenced by the expected sequence. */
import { parseRecord } from '@sluice/protocol';
import type { StoredRecord, Token, TokenRecord } from '@sluice/protocol';
import { ChunkWalk } from '../src/index.ts';
import type { ChunkWriter, Draft, Walk } from '../src/index.ts';

export class ModelLog {
  readonly records: StoredRecord[] = [];
  #sequence = 0;

  get head(): StoredRecord | undefined {
    return this.records.at(-1);
  }

  get lastSequence(): number {
    return this.head?.sequence ?? 0;
  }

  /** Other generations share the stream: sequences of one subject have gaps. */
  skip(count: number): void {
    this.#sequence += count;
  }

  /** @returns the stored record, or undefined when the expected sequence is refused */
  append(draft: Draft): StoredRecord | undefined {
    if (draft.expected !== this.lastSequence) return undefined;
    this.#sequence += 1;
    const stored = { sequence: this.#sequence, record: parseRecord(draft.payload) };
    this.records.push(stored);
    return stored;
  }

  get(sequence: number): StoredRecord | undefined {
    return this.records.find((stored) => stored.sequence === sequence);
  }

  /** The records that tile (from, head], oldest first, found along `prev`. */
  walk(newest: TokenRecord, from: number): Walk {
    const walk = new ChunkWalk(newest, from);
    let step = walk.next();
    while (step.type === 'fetch') step = walk.step(this.get(step.sequence));
    return step;
  }

  /** What the log says in an epoch, by the naive reading: every token at its own seq, later records last. */
  tokens(epoch: number): Token[] {
    const tokens: Token[] = [];
    for (const { record } of this.records) {
      if (record.epoch !== epoch) continue;
      record.tokens.forEach((token, i) => (tokens[record.base + i] = token));
    }
    return tokens;
  }
}

/** Writes all tokens, at most `groups[i]` per record, and the end when there is one to write. */
export const writeAll = (
  log: ModelLog,
  writer: ChunkWriter,
  tokens: readonly Token[],
  groups: readonly number[] = [],
): void => {
  let written = 0;
  for (let i = 0; written < tokens.length; i += 1) {
    const size = groups[i % Math.max(1, groups.length)] ?? 1;
    const { draft, taken } = writer.draft(tokens.slice(written, written + size), 1);
    const stored = log.append(draft);
    if (stored === undefined) throw new Error('the log refused its only writer');
    writer.stored(stored.sequence);
    written += taken;
  }
};
