import type { ClosedChunk, Draft, PublishOutcome } from '@sluice/core';
import type { GenerationKey } from '@sluice/protocol';
import type { JetStreamManager } from '@nats-io/jetstream';
import type { Msg, NatsConnection } from 'nats';
import type { Behind } from '../../behind.ts';
import { LiveDelivery } from '../../live-message.ts';
import type { LiveMessage } from '../../live-message.ts';
import { chunkSubject, chunkSubjects, liveSubjects, partitionOf, stateSubject } from '../../subjects.ts';
import type { TokenLog } from '../../token-log.ts';
import { ChunkReader } from './chunk-reader.ts';
import type { ChunkReaderOptions } from './chunk-reader.ts';
import { subscribeNow } from '../confirmed-subscription.ts';
import type { Inlet } from '../confirmed-subscription.ts';
import { sequenceIn } from '../last-messages.ts';
import type { Connection } from '../connection/link.ts';
import { RecordPublisher } from './record-publisher.ts';

type TokenLogOptions = Inlet & ChunkReaderOptions & { readonly connection: Connection };

/** So often what comes faster than a record is stored is run after. */
const BEHIND_TRIES = 50;
const MOVED: PublishOutcome = { type: 'unknown', detail: 'the log moved while foreign messages were passed' };

export const createNatsTokenLog = (
  nc: NatsConnection,
  jsm: JetStreamManager,
  options: TokenLogOptions,
): TokenLog & { close(): void } => {
  const { connection, partitions, inboxPrefix, border, onError } = options;
  const publisher = new RecordPublisher(nc, connection, inboxPrefix);
  const reader = new ChunkReader(nc, jsm, options);
  const publish = (
    key: GenerationKey,
    { chunk, payload }: ClosedChunk,
    expected: number,
  ): Promise<PublishOutcome> => {
    const partition = partitionOf(key, partitions);
    const fence = { subjects: chunkSubjects(partition, key), expected };
    return publisher.publish(chunkSubject(partition, key, chunk), payload, fence);
  };
  /** Appends behind what is no record: nobody else's garbage may end a generation. */
  const appendBehind = async (key: GenerationKey, draft: Draft): Promise<PublishOutcome> => {
    const { closed } = draft;
    let behind: Behind = { tip: draft.expected, isClosedLost: false };
    for (let tries = 0; tries < BEHIND_TRIES; tries += 1) {
      const next = await reader.behind(key, behind, closed).catch((error: Error) => error);
      if (next instanceof Error) return { type: 'unknown', detail: next.message };
      // Later than the first time, the chunk that was stored again must not be taken for somebody else's record.
      if (next === undefined) return tries === 0 ? { type: 'wrong_sequence' } : MOVED;
      behind = next;
      if (closed !== undefined && behind.isClosedLost) {
        const again = await publish(key, closed, behind.tip);
        if (again.type === 'wrong_sequence') continue;
        if (again.type !== 'stored') return again;
        behind = { tip: again.sequence, isClosedLost: false };
      }
      const outcome = await publish(key, draft, behind.tip);
      if (outcome.type !== 'wrong_sequence') return outcome;
    }
    return { type: 'unknown', detail: 'somebody floods the log with what is no record' };
  };
  return {
    append: async (key, draft) => {
      const outcome = await publish(key, draft, draft.expected);
      return outcome.type === 'wrong_sequence' ? appendBehind(key, draft) : outcome;
    },
    head: (key) => reader.head(key),
    newest: (key) => reader.newest(key),
    isObscured: (key, head) => reader.isObscured(key, head),
    before: (key, next, count) => reader.before(key, next, count),
    tail: (key, listener) => {
      const delivery = new LiveDelivery(key, listener, border);
      const onMessage = (message: Msg): void => delivery.take(new NatsLiveMessage(message));
      return subscribeNow(nc, liveSubjects(key), onMessage, onError);
    },
    announce: (key, state) => {
      if (!nc.isClosed()) nc.publish(stateSubject(key), JSON.stringify({ state }));
    },
    close: () => publisher.close(),
  };
};

/** A message comes for each token: its headers are read only where somebody asks for the sequence. */
class NatsLiveMessage implements LiveMessage {
  readonly subject: string;
  readonly text: string;
  readonly #message: Msg;

  constructor(message: Msg) {
    this.subject = message.subject;
    this.text = message.string();
    this.#message = message;
  }

  get sequence(): number | undefined {
    return sequenceIn(this.#message);
  }
}
