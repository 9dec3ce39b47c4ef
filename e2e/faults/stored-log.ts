import { jetstreamManager, jetstream } from '@nats-io/jetstream';
import { parseRecord } from '@sluice/protocol';
import type { StoredRecord } from '@sluice/protocol';
import { connect } from 'nats';
import { Leadership } from './leadership.ts';

const STREAM = 'TOKENS';

/** `<org>.<session>.<generation>` of a record's subject. */
export const pathOf = (subject: string): string => subject.split('.').slice(2, -1).join('.');
export const chunkOf = (subject: string): number => Number(subject.slice(subject.lastIndexOf('.') + 1));

/** The last record of every chunk in the token stream by `org.session.generation`, each list in the order of the stream. */
export type StoredLog = ReadonlyMap<string, readonly StoredRecord[]>;

/** Reads the whole stream, past the services: what is stored, not what they say is. */
export const readStoredLog = async (natsUrl: string): Promise<StoredLog> => {
  const nc = await connect({ servers: natsUrl.split(','), timeout: 5_000 });
  try {
    const manager = await jetstreamManager(nc, { timeout: 5_000 });
    const { state } = await manager.streams.info(STREAM);
    const log = new Map<string, StoredRecord[]>();
    if (state.messages === 0) return log;
    const consumer = await jetstream(nc).consumers.get(STREAM);
    for await (const message of await consumer.consume({ max_messages: 1_000 })) {
      const { subject, seq: sequence } = message;
      const path = pathOf(subject);
      const records = log.get(path) ?? [];
      log.set(path, records);
      records.push({ sequence, chunk: chunkOf(subject), record: parseRecord(message.string()) });
      if (sequence >= state.last_seq) break;
    }
    return log;
  } finally {
    await nc.close();
  }
};

/** Reads the stream once from each replica, made leader for that: a split brain shows only there. */
export const readEveryCopy = async (natsUrl: string): Promise<StoredLog[]> => {
  const leadership = await Leadership.open(natsUrl);
  try {
    const copies: StoredLog[] = [];
    for (const server of await leadership.holders(STREAM)) {
      await leadership.hand(STREAM, server);
      copies.push(await readStoredLog(natsUrl));
    }
    return copies;
  } finally {
    await leadership.close();
  }
};
