import type { JetStreamManager, StoredMsg } from '@nats-io/jetstream';
import { linkedBefore } from '@sluice/core';
import type { ClosedChunk } from '@sluice/core';
import type { GenerationKey, SessionKey, StoredRecord } from '@sluice/protocol';
import type { NatsConnection } from 'nats';
import { behindAlso } from '../../behind.ts';
import type { Behind, LogMessage } from '../../behind.ts';
import type { Border } from '../../border.ts';
import { isErased } from '../../cards/erased.ts';
import {
  chunkSubject,
  chunkSubjects,
  partitionOf,
  sessionChunkSubjects,
  tokenStream,
} from '../../subjects.ts';
import { storedRecordParser } from '../../stored-record.ts';
import { readLast, readNext } from '../last-message.ts';
import { busError } from '../answer.ts';
import { readLastMessages, sequenceOf, subjectOf } from '../last-messages.ts';
import { ReadBudget } from '../../read-budget.ts';

/** A replica that lags is asked again after this long, ms, so often. */
const LAG_WAIT_MS = 20;
const LAG_TRIES = 50;

/**
 * Most chunks that are asked for at once in all, 4 MiB where each is full: after a restart an edge loads every text that
 * is watched, and what NATS sends faster than it is read here delays everything else on the connection.
 */
const MAX_CHUNKS_AT_ONCE = 512;

export type ChunkReaderOptions = {
  readonly border: Border;
  readonly replicas: number;
  readonly partitions: number;
  readonly inboxPrefix: string;
};

/**
 * Reads a generation's chunks: the head through the leader, what leads up to it from any replica. Edges may append to a
 * log as workers do, so it may hold foreign messages: they are passed over. All methods throw BusUnavailableError.
 */
export class ChunkReader {
  readonly #nc: NatsConnection;
  readonly #jsm: JetStreamManager;
  readonly #options: ChunkReaderOptions;
  readonly #budget = new ReadBudget(MAX_CHUNKS_AT_ONCE);

  constructor(nc: NatsConnection, jsm: JetStreamManager, options: ChunkReaderOptions) {
    this.#nc = nc;
    this.#jsm = jsm;
    this.#options = options;
  }

  /** The newest record, as the leader has it. */
  async head(key: GenerationKey): Promise<StoredRecord | undefined> {
    const partition = this.#partition(key);
    const newest = await this.#last(partition, chunkSubjects(partition, key));
    if (newest === undefined) return undefined;
    let head = this.#readable(newest);
    if (head !== undefined) return head;
    // A record that is replaced meanwhile moves on in the stream, hence is met later.
    for await (const message of this.#after(key, 0))
      if (message.sequence !== newest.sequence) head = this.#readable(message) ?? head;
    return head;
  }

  /** Sequence of the newest message of a session, whatever it is. */
  async newest(key: SessionKey): Promise<number> {
    const partition = partitionOf(key, this.#options.partitions);
    return (await this.#last(partition, sessionChunkSubjects(partition, key)))?.sequence ?? 0;
  }

  /** Whether a foreign message follows the head. */
  async isObscured(key: GenerationKey, head: StoredRecord | undefined): Promise<boolean> {
    for await (const message of this.#after(key, head?.sequence ?? 0))
      return this.#readable(message) === undefined;
    return false;
  }

  /** What follows `known`; undefined when nothing does, or when some of it is a record of somebody else. */
  async behind(
    key: GenerationKey,
    known: Behind,
    closed: ClosedChunk | undefined,
  ): Promise<Behind | undefined> {
    let behind = known;
    for await (const message of this.#after(key, known.tip)) {
      if (message.text !== closed?.payload && this.#readable(message) !== undefined) return undefined;
      behind = behindAlso(behind, message, closed);
    }
    return behind === known ? undefined : behind;
  }

  async before(key: GenerationKey, next: StoredRecord, count: number): Promise<readonly StoredRecord[]> {
    const partition = this.#partition(key);
    const wanted = Math.min(count, next.chunk);
    if (wanted === 0) return [];
    const subjects = Array.from({ length: wanted }, (_, index) =>
      chunkSubject(partition, key, next.chunk - wanted + index),
    );
    for (let tries = 1; tries <= LAG_TRIES; tries += 1) {
      const linked = linkedBefore(next, await this.#read(partition, subjects));
      if (linked.length === wanted || this.#options.replicas === 1) return linked;
      // A replica that lags has an earlier record of a chunk, or none: only the leader's word ends the row.
      const oldest = linked[0] ?? next;
      const missing = await this.#last(partition, chunkSubject(partition, key, oldest.chunk - 1));
      const stored = missing && this.#readable(missing);
      if (stored === undefined || linkedBefore(oldest, [stored]).length === 0) return linked;
      await new Promise<void>((resolve) => setTimeout(resolve, LAG_WAIT_MS));
    }
    throw busError(`read of ${tokenStream(partition)}`, new Error('replicas that lag'));
  }

  /** What the leader has of a generation after a sequence, in the order of the stream. */
  async *#after(key: GenerationKey, sequence: number): AsyncGenerator<LogMessage> {
    const partition = this.#partition(key);
    const query = { subject: chunkSubjects(partition, key), from: sequence + 1 };
    for (;;) {
      const message = await readNext(this.#jsm, tokenStream(partition), query);
      if (message === undefined) return;
      yield logMessageOf(message);
      query.from = message.seq + 1;
    }
  }

  async #read(partition: number, subjects: readonly string[]): Promise<StoredRecord[]> {
    const { inboxPrefix, replicas } = this.#options;
    const query = { stream: tokenStream(partition), subjects, replicas };
    const { messages } = await this.#budget.spend(subjects.length, () =>
      readLastMessages(this.#nc, inboxPrefix, query),
    );
    return messages.flatMap((message) => {
      const [subject, sequence] = [subjectOf(message), sequenceOf(message)];
      return this.#readable({ subject, sequence, text: message.string() }) ?? [];
    });
  }

  async #last(partition: number, subject: string): Promise<LogMessage | undefined> {
    const message = await readLast(this.#jsm, tokenStream(partition), subject, this.#options.replicas);
    return message && logMessageOf(message);
  }

  #readable({ subject, sequence, text }: LogMessage): StoredRecord | undefined {
    if (isErased(text)) return undefined;
    return this.#options.border.read('record', text, storedRecordParser(subject, sequence));
  }

  #partition(key: GenerationKey): number {
    return partitionOf(key, this.#options.partitions);
  }
}

const logMessageOf = (message: StoredMsg): LogMessage => ({
  subject: message.subject,
  sequence: message.seq,
  text: message.string(),
});
