import { parseRecord } from '@sluice/protocol';
import type { StoredRecord } from '@sluice/protocol';
import { connect } from 'nats';
import type { Msg, NatsConnection } from 'nats';
import { chunkOf, pathOf } from './stored-log.ts';

/**
 * The records that NATS republished while a run went on. The stream keeps only the last record of each chunk; who
 * wrote in between, and in which order, is known from here, as far as the faults let it through.
 */
export class SeenLog {
  readonly #nc: NatsConnection;
  readonly #records = new Map<string, StoredRecord[]>();

  private constructor(nc: NatsConnection) {
    this.#nc = nc;
    nc.subscribe('live.tok.>', {
      callback: (error, message) => {
        if (error === null) this.#take(message);
      },
    });
  }

  static async open(natsUrl: string): Promise<SeenLog> {
    const servers = natsUrl.split(',');
    const nc = await connect({ servers, maxReconnectAttempts: -1, reconnectTimeWait: 100 });
    const log = new SeenLog(nc);
    await nc.flush();
    return log;
  }

  /** With what is stored, in the order of the stream. Where both have a record, the stored one counts. */
  with(path: string, stored: readonly StoredRecord[]): StoredRecord[] {
    const seen = this.#records.get(path) ?? [];
    const bySequence = new Map([...seen, ...stored].map((record) => [record.sequence, record]));
    return [...bySequence.values()].toSorted((a, b) => a.sequence - b.sequence);
  }

  /** How many records there were. */
  get size(): number {
    return [...this.#records.values()].reduce((sum, { length }) => sum + length, 0);
  }

  close(): Promise<void> {
    return this.#nc.close();
  }

  #take(message: Msg): void {
    const subject = message.headers?.get('Nats-Subject') ?? '';
    const sequence = Number(message.headers?.get('Nats-Sequence'));
    const record = { sequence, chunk: chunkOf(subject), record: parseRecord(message.string()) };
    const records = this.#records.get(pathOf(subject)) ?? [];
    this.#records.set(pathOf(subject), records);
    records.push(record);
  }
}
