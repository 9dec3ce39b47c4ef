import { InvalidRecordError, parseRecord } from '@sluice/protocol';
import type { GenerationKey, StoredRecord } from '@sluice/protocol';
import type { JetStreamManager, StoredMsg } from '@nats-io/jetstream';
import type { Msg, NatsConnection } from 'nats';
import { BusUnavailableError } from '../bus.ts';
import type { ItemBody } from '../session-store.ts';
import { liveSubjects, parseLiveSubject, partitionOf, tokenStream, tokenSubject } from '../subjects.ts';
import type { TailListener, TokenLog } from '../token-log.ts';
import { readAt, readLast, unavailable } from './last-message.ts';
import { RecordPublisher } from './record-publisher.ts';

type TokenLogOptions = {
  readonly replicas: number;
  readonly partitions: number;
  readonly inboxPrefix: string | undefined;
  /** called with records and items that cannot be read: somebody else's program wrote them */
  readonly onInvalid: (error: Error) => void;
};

export const createNatsTokenLog = (
  nc: NatsConnection,
  jsm: JetStreamManager,
  { replicas, partitions, inboxPrefix, onInvalid }: TokenLogOptions,
): TokenLog & { close(): void } => {
  const publisher = new RecordPublisher(nc, inboxPrefix);
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
      const message = await readAt(jsm, stream, sequence);
      // `prev` is a worker's word: it must not lead into another generation's, or org's, log.
      return message?.subject === subject ? toStored(message) : undefined;
    },
    tail: async (key, listener) => {
      const callback = (error: Error | null, message: Msg): void => {
        if (error === null || error === undefined) deliver(message, listener, onInvalid);
      };
      const subscription = nc.subscribe(liveSubjects(key), { callback });
      try {
        await nc.flush();
      } catch (cause) {
        subscription.unsubscribe();
        throw unavailable('subscription to a session', cause);
      }
      return { close: () => subscription.unsubscribe() };
    },
    close: () => publisher.close(),
  };
};

const toStored = (message: StoredMsg | undefined): StoredRecord | undefined => {
  if (message === undefined) return undefined;
  return { sequence: message.seq, record: parseRecord(message.string()) };
};

const deliver = (message: Msg, listener: TailListener, onInvalid: (error: Error) => void): void => {
  try {
    const subject = parseLiveSubject(message.subject);
    if (subject?.kind === 'tok') listener.record(subject.id, parseRecord(message.string()));
    else if (subject?.kind === 'item')
      listener.item({ rev: sequenceOf(message), item: message.json<ItemBody>() });
  } catch (error) {
    if (!(error instanceof InvalidRecordError) && !(error instanceof SyntaxError)) throw error;
    onInvalid(error);
  }
};

const sequenceOf = (message: Msg): number => {
  const sequence = Number(message.headers?.get('Nats-Sequence'));
  if (!Number.isSafeInteger(sequence) || sequence < 1)
    throw new BusUnavailableError('republished item: expected a Nats-Sequence header, got none');
  return sequence;
};
