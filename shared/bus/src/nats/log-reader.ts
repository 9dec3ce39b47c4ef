import { parseRecord } from '@sluice/protocol';
import type { StoredRecord } from '@sluice/protocol';
import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from 'nats';
import type { Border } from '../border.ts';
import { readLast, readNext, SequenceReader } from './last-message.ts';
import { readLastMessages, sequenceOf } from './last-messages.ts';

/** Where the log of one generation is. */
export type LogPlace = { readonly stream: string; readonly subject: string };

type LogReaderOptions = {
  readonly border: Border;
  readonly replicas: number;
  readonly inboxPrefix: string;
};

/**
 * Reads the records of generations. Edges may append to a log as workers do, so it may hold what is no record: that is
 * passed over, and the log goes on from the last record before. All methods throw BusUnavailableError.
 */
export class LogReader {
  readonly #nc: NatsConnection;
  readonly #jsm: JetStreamManager;
  readonly #options: LogReaderOptions;
  readonly #sequences: SequenceReader;

  constructor(nc: NatsConnection, jsm: JetStreamManager, options: LogReaderOptions) {
    this.#nc = nc;
    this.#jsm = jsm;
    this.#options = options;
    this.#sequences = new SequenceReader(jsm, options.replicas);
  }

  /** The newest record, as the leader has it. */
  async head(place: LogPlace): Promise<StoredRecord | undefined> {
    const newest = await readLast(this.#jsm, place.stream, place.subject, this.#options.replicas);
    if (newest === undefined) return undefined;
    return this.#stored(newest.seq, newest.string()) ?? this.#newestBefore(place, newest.seq);
  }

  async at({ stream, subject }: LogPlace, sequence: number): Promise<StoredRecord | undefined> {
    const message = await this.#sequences.read(stream, sequence);
    // `prev` is a worker's word: it must not lead into another generation's, or org's, log.
    return message?.subject === subject ? this.#stored(message.seq, message.string()) : undefined;
  }

  /** Sequence of the last message after `sequence`; undefined when there is none, or when one of them is a record. */
  async foreignTip(place: LogPlace, sequence: number): Promise<number | undefined> {
    let tip: number | undefined;
    for (let from = sequence + 1; ; from = tip + 1) {
      const message = await readNext(this.#jsm, place.stream, { subject: place.subject, from });
      if (message === undefined) return tip;
      if (this.#stored(message.seq, message.string()) !== undefined) return undefined;
      tip = message.seq;
    }
  }

  async #newestBefore(place: LogPlace, sequence: number): Promise<StoredRecord | undefined> {
    const { inboxPrefix, replicas } = this.#options;
    let newest: StoredRecord | undefined;
    for (let before = sequence; newest === undefined && before > 1;) {
      const query = { ...place, upTo: before - 1, replicas };
      const [message] = (await readLastMessages(this.#nc, inboxPrefix, query)).messages;
      if (message === undefined) break;
      before = sequenceOf(message);
      newest = this.#stored(before, message.string());
    }
    return replicas === 1 ? newest : this.#caughtUp(place, newest, sequence);
  }

  /** A replica may lag, and what it does not have yet must not be lost: the leader tells what follows. */
  async #caughtUp(
    { stream, subject }: LogPlace,
    known: StoredRecord | undefined,
    sequence: number,
  ): Promise<StoredRecord | undefined> {
    let newest = known;
    for (let from = (known?.sequence ?? 0) + 1; from < sequence;) {
      const message = await readNext(this.#jsm, stream, { subject, from });
      if (message === undefined || message.seq >= sequence) break;
      newest = this.#stored(message.seq, message.string()) ?? newest;
      from = message.seq + 1;
    }
    return newest;
  }

  #stored(sequence: number, text: string): StoredRecord | undefined {
    const record = this.#options.border.read('record', text, parseRecord);
    return record && { sequence, record };
  }
}
