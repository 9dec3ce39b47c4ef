import type { Draft, PublishOutcome } from '@sluice/core';
import type { GenerationKey } from '@sluice/protocol';
import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from 'nats';
import { deliverTo } from '../live-message.ts';
import { liveSubjects, partitionOf, stateSubject, tokenStream, tokenSubject } from '../subjects.ts';
import type { TokenLog } from '../token-log.ts';
import { subscribeNow } from './confirmed-subscription.ts';
import type { Inlet } from './confirmed-subscription.ts';
import { sequenceIn } from './last-messages.ts';
import type { Connection } from './link.ts';
import { LogReader } from './log-reader.ts';
import type { LogPlace } from './log-reader.ts';
import { RecordPublisher } from './record-publisher.ts';

type TokenLogOptions = Inlet & {
  readonly connection: Connection;
  readonly replicas: number;
  readonly partitions: number;
  readonly inboxPrefix: string;
};

/** So often what comes faster than a record is stored is run after. */
const BEHIND_TRIES = 50;

export const createNatsTokenLog = (
  nc: NatsConnection,
  jsm: JetStreamManager,
  options: TokenLogOptions,
): TokenLog & { close(): void } => {
  const { connection, partitions, inboxPrefix, border, onError } = options;
  const publisher = new RecordPublisher(nc, connection, inboxPrefix);
  const reader = new LogReader(nc, jsm, options);
  const place = (key: GenerationKey): LogPlace => {
    const partition = partitionOf(key, partitions);
    return { stream: tokenStream(partition), subject: tokenSubject(partition, key) };
  };
  /** Appends behind what is no record: nobody else's garbage may end a generation. */
  const appendBehind = async (at: LogPlace, draft: Draft): Promise<PublishOutcome> => {
    let known = draft.expected;
    for (let tries = 0; tries < BEHIND_TRIES; tries += 1) {
      const tip = await reader.foreignTip(at, known).catch((error: Error) => error);
      if (tip instanceof Error) return { type: 'unknown', detail: tip.message };
      if (tip === undefined) return { type: 'wrong_sequence' };
      const outcome = await publisher.publish(at.subject, draft.payload, tip);
      if (outcome.type !== 'wrong_sequence') return outcome;
      known = tip;
    }
    return { type: 'unknown', detail: 'somebody floods the log with what is no record' };
  };
  return {
    append: async (key, draft) => {
      const at = place(key);
      const outcome = await publisher.publish(at.subject, draft.payload, draft.expected);
      return outcome.type === 'wrong_sequence' ? appendBehind(at, draft) : outcome;
    },
    head: (key) => reader.head(place(key)),
    at: (key, sequence) => reader.at(place(key), sequence),
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
