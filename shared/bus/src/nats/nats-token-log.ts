import { parseRecord } from '@sluice/protocol';
import type { GenerationKey, GenerationState, PresenceMessage, StoredRecord } from '@sluice/protocol';
import type { JetStreamManager, StoredMsg } from '@nats-io/jetstream';
import type { Msg, NatsConnection } from 'nats';
import { parseStoredItem } from '../stored-item.ts';
import {
  liveSubjects,
  parseLiveSubject,
  partitionOf,
  stateSubject,
  tokenStream,
  tokenSubject,
} from '../subjects.ts';
import type { TailListener, TokenLog } from '../token-log.ts';
import { subscribeNow } from './confirmed-subscription.ts';
import { readLast, SequenceReader } from './last-message.ts';
import { sequenceOf } from './last-messages.ts';
import type { Connection } from './link.ts';
import { RecordPublisher } from './record-publisher.ts';

type TokenLogOptions = {
  readonly connection: Connection;
  readonly replicas: number;
  readonly partitions: number;
  readonly inboxPrefix: string;
  /** called with records and items that cannot be read: somebody else's program wrote them */
  readonly onInvalid: (error: Error) => void;
};

export const createNatsTokenLog = (
  nc: NatsConnection,
  jsm: JetStreamManager,
  { connection, replicas, partitions, inboxPrefix, onInvalid }: TokenLogOptions,
): TokenLog & { close(): void } => {
  const publisher = new RecordPublisher(nc, connection, inboxPrefix);
  const reader = new SequenceReader(jsm, replicas);
  const place = (key: GenerationKey): { stream: string; subject: string } => {
    const partition = partitionOf(key, partitions);
    return { stream: tokenStream(partition), subject: tokenSubject(partition, key) };
  };
  return {
    append: (key, draft) => publisher.publish(place(key).subject, draft.payload, draft.expected),
    head: async (key) => {
      const { stream, subject } = place(key);
      return toStored(await readLast(jsm, stream, subject, replicas));
    },
    at: async (key, sequence) => {
      const { stream, subject } = place(key);
      const message = await reader.read(stream, sequence);
      // `prev` is a worker's word: it must not lead into another generation's, or org's, log.
      return message?.subject === subject ? toStored(message) : undefined;
    },
    tail: (key, listener) =>
      subscribeNow(nc, liveSubjects(key), (message) => deliver(message, listener), onInvalid),
    announce: (key, state) => {
      if (!nc.isClosed()) nc.publish(stateSubject(key), JSON.stringify({ state }));
    },
    close: () => publisher.close(),
  };
};

const toStored = (message: StoredMsg | undefined): StoredRecord | undefined =>
  message && { sequence: message.seq, record: parseRecord(message.string()) };

const deliver = (message: Msg, listener: TailListener): void => {
  const subject = parseLiveSubject(message.subject);
  if (subject?.kind === 'tok') listener.record(subject.id, parseRecord(message.string()));
  else if (subject?.kind === 'item')
    listener.item({ rev: sequenceOf(message), item: parseStoredItem(message.string(), subject.id) });
  else if (subject?.kind === 'state')
    listener.state?.(subject.id, message.json<{ state: GenerationState }>().state);
  else if (subject?.kind === 'pres') listener.presence?.(message.json<PresenceMessage>());
};
