import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from 'nats';
import type { ChunkStore } from '../bodies/body-store.ts';
import { STREAMS } from '../subjects.ts';
import { busError } from './answer.ts';
import { readLast } from './last-message.ts';
import { readLastMessages, subjectOf } from './last-messages.ts';
import { ReadBudget } from '../read-budget.ts';
import { retryUnstored } from './write.ts';

const MAX_CHUNK_BYTES = 256 * 1024;
/** Left of the server's limit to subject and headers, bytes. */
const ENVELOPE_BYTES = 4 * 1024;
/**
 * Most chunks that are asked for at once in all, 8 MiB: what NATS sends faster than it is read here delays everything else
 * on the connection.
 */
const MAX_CHUNKS_AT_ONCE = 32;

type ChunksOptions = {
  readonly nc: NatsConnection;
  readonly js: JetStreamClient;
  readonly jsm: JetStreamManager;
  readonly replicas: number;
  readonly inboxPrefix: string;
};

/** Chunks of bodies as the messages of a stream. */
export const createNatsChunks = ({ nc, js, jsm, replicas, inboxPrefix }: ChunksOptions): ChunkStore => {
  const budget = new ReadBudget(MAX_CHUNKS_AT_ONCE);
  return {
    get maxChunkBytes() {
      return Math.min(MAX_CHUNK_BYTES, (nc.info?.max_payload ?? Infinity) - ENVELOPE_BYTES);
    },
    write: async (subject, chunk) => {
      try {
        await retryUnstored(() => js.publish(subject, chunk));
      } catch (error) {
        throw busError('write of a body', error);
      }
    },
    read: async (subjects) => {
      const query = { stream: STREAMS.bodies, subjects, replicas };
      const { messages } = await budget.spend(subjects.length, () =>
        readLastMessages(nc, inboxPrefix, query),
      );
      const found = new Map(messages.map((message) => [subjectOf(message), message.data]));
      const missing = replicas === 1 ? [] : subjects.filter((subject) => !found.has(subject));
      // A replica that lags has less than the leader, whose word it is that a chunk is not there.
      for (const subject of missing) {
        const message = await readLast(jsm, STREAMS.bodies, subject, replicas);
        if (message !== undefined) found.set(subject, message.data);
      }
      return found;
    },
  };
};
