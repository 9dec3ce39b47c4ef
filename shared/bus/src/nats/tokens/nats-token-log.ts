import type { Draft, PublishOutcome } from '@sluice/core';
import type { GenerationKey } from '@sluice/protocol';
import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from 'nats';
import { deliverTo } from '../../live-message.ts';
import { chunkSubject, chunkSubjects, liveSubjects, partitionOf, stateSubject } from '../../subjects.ts';
import type { TokenLog } from '../../token-log.ts';
import { ChunkReader } from './chunk-reader.ts';
import type { ChunkReaderOptions } from './chunk-reader.ts';
import { subscribeNow } from '../confirmed-subscription.ts';
import type { Inlet } from '../confirmed-subscription.ts';
import { sequenceIn } from '../last-messages.ts';
import type { Connection } from '../link.ts';
import { RecordPublisher } from './record-publisher.ts';

type TokenLogOptions = Inlet & ChunkReaderOptions & { readonly connection: Connection };

/** So often what comes faster than a record is stored is run after. */
const BEHIND_TRIES = 50;

export const createNatsTokenLog = (
  nc: NatsConnection,
  jsm: JetStreamManager,
  options: TokenLogOptions,
): TokenLog & { close(): void } => {
  const { connection, partitions, inboxPrefix, border, onError } = options;
  const publisher = new RecordPublisher(nc, connection, inboxPrefix);
  const reader = new ChunkReader(nc, jsm, options);
  const publish = (key: GenerationKey, draft: Draft, expected: number): Promise<PublishOutcome> => {
    const partition = partitionOf(key, partitions);
    const fence = { subjects: chunkSubjects(partition, key), expected };
    return publisher.publish(chunkSubject(partition, key, draft.chunk), draft.payload, fence);
  };
  /** Appends behind what is no record: nobody else's garbage may end a generation. */
  const appendBehind = async (key: GenerationKey, draft: Draft): Promise<PublishOutcome> => {
    let known = draft.expected;
    for (let tries = 0; tries < BEHIND_TRIES; tries += 1) {
      const tip = await reader.foreignTip(key, known).catch((error: Error) => error);
      if (tip instanceof Error) return { type: 'unknown', detail: tip.message };
      if (tip === undefined) return { type: 'wrong_sequence' };
      const outcome = await publish(key, draft, tip);
      if (outcome.type !== 'wrong_sequence') return outcome;
      known = tip;
    }
    return { type: 'unknown', detail: 'somebody floods the log with what is no record' };
  };
  return {
    append: async (key, draft) => {
      const outcome = await publish(key, draft, draft.expected);
      return outcome.type === 'wrong_sequence' ? appendBehind(key, draft) : outcome;
    },
    head: (key) => reader.head(key),
    before: (key, next, count) => reader.before(key, next, count),
    tail: (key, listener) => {
      const deliver = deliverTo(key, listener, border);
      return subscribeNow(
        nc,
        liveSubjects(key),
        (message) =>
          deliver({ subject: message.subject, text: message.string(), sequence: sequenceIn(message) }),
        onError,
      );
    },
    announce: (key, state) => {
      if (!nc.isClosed()) nc.publish(stateSubject(key), JSON.stringify({ state }));
    },
    close: () => publisher.close(),
  };
};
