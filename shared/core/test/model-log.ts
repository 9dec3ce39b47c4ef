/** A generation's chunks in a stream, as NATS keeps them, fenced by the sequence of the newest. */
import { parseRecord } from '@sluice/protocol';
import type { StoredRecord, Token } from '@sluice/protocol';
import { chunksMissing, linkedBefore } from '../src/index.ts';
import type { ChunkWriter, Draft } from '../src/index.ts';

export type ModelChain = {
  readonly chunks: readonly StoredRecord[];
  readonly complete: boolean;
  /** how many chunks were asked for in each read */
  readonly asked: readonly number[];
};

export class ModelLog {
  /** every record that was ever stored, also replaced ones */
  readonly records: StoredRecord[] = [];
  #sequence = 0;

  get head(): StoredRecord | undefined {
    return this.records.at(-1);
  }

  get lastSequence(): number {
    return this.head?.sequence ?? 0;
  }

  /** Other generations share the stream: sequences of one generation have gaps. */
  skip(count: number): void {
    this.#sequence += count;
  }

  /** @returns the stored record, or undefined when the expected sequence is refused */
  append(draft: Draft): StoredRecord | undefined {
    if (draft.expected !== this.lastSequence) return undefined;
    this.#sequence += 1;
    const { chunk, payload } = draft;
    const stored = { sequence: this.#sequence, chunk, record: parseRecord(payload) };
    this.records.push(stored);
    return stored;
  }

  /** The last record of each chunk: what the stream holds. */
  get chunks(): ReadonlyMap<number, StoredRecord> {
    return new Map(this.records.map((stored) => [stored.chunk, stored]));
  }

  /** Reads as the bus does: at most `most` chunks at once, until the token after `from` is there. */
  read(newest: StoredRecord, from: number, most = 4): ModelChain {
    const chunks = [newest];
    const asked: number[] = [];
    for (let oldest = newest; oldest.record.base > from; oldest = chunks[0] ?? oldest) {
      const count = Math.min(most, chunksMissing(oldest, from));
      if (count > 0) asked.push(count);
      const wanted = [...this.chunks.values()].filter(
        ({ chunk }) => chunk < oldest.chunk && chunk >= oldest.chunk - count,
      );
      const found = linkedBefore(oldest, wanted);
      if (found.length === 0) return { chunks, complete: false, asked };
      chunks.unshift(...found);
    }
    return { chunks, complete: true, asked };
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
