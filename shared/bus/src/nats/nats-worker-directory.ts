import type { KV } from '@nats-io/kv';
import type { NatsConnection } from 'nats';
import { BUCKETS, beatSubject, kvStream, workerSubjects } from '../subjects.ts';
import { parseBeat, parseWorkerInfo } from '../worker-directory.ts';
import type { WorkerDirectory } from '../worker-directory.ts';
import { subscribeNow } from './confirmed-subscription.ts';
import { unavailable } from './last-message.ts';
import { readLastMessages } from './last-messages.ts';
import { readable } from './readable.ts';

type DirectoryOptions = {
  readonly inboxPrefix: string;
  readonly replicas: number;
  readonly onInvalid: (error: Error) => void;
};

export const createNatsWorkerDirectory = (
  nc: NatsConnection,
  bucket: KV,
  { inboxPrefix, replicas, onInvalid }: DirectoryOptions,
): WorkerDirectory => ({
  announce: async (entry) => {
    await bucket.put(entry.worker, JSON.stringify(entry)).catch((error: unknown) => {
      throw unavailable('announce a worker', error);
    });
  },
  retire: async (worker) => {
    await bucket.delete(worker).catch((error: unknown) => {
      throw unavailable('retire a worker', error);
    });
  },
  beat: (beat) => {
    if (!nc.isClosed()) nc.publish(beatSubject, JSON.stringify(beat));
  },
  onBeat: (listener) =>
    subscribeNow(nc, beatSubject, (message) => listener(parseBeat(message.json())), onInvalid),
  list: async () => {
    const query = { stream: kvStream(BUCKETS.workers), subject: workerSubjects, replicas };
    const { messages } = await readLastMessages(nc, inboxPrefix, query);
    // A worker that retired leaves a marker, which expires like an entry.
    return messages
      .filter((message) => !message.headers?.has('KV-Operation'))
      .flatMap((message) => readable(() => parseWorkerInfo(message.json()), onInvalid) ?? []);
  },
});
