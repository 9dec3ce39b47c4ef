import type { KV } from '@nats-io/kv';
import type { Msg, NatsConnection } from 'nats';
import { parseBeat, parseWorkerInfo } from '../messages.ts';
import { BUCKETS, beatSubject, kvStream, workerSubjects } from '../subjects.ts';
import type { WorkerDirectory } from '../worker-directory.ts';
import { subscribeNow } from './confirmed-subscription.ts';
import type { Inlet } from './confirmed-subscription.ts';
import { busError } from './answer.ts';
import { readLastMessages } from './last-messages.ts';

type DirectoryOptions = Inlet & { readonly inboxPrefix: string; readonly replicas: number };

export const createNatsWorkerDirectory = (
  nc: NatsConnection,
  bucket: KV,
  { inboxPrefix, replicas, border, onError }: DirectoryOptions,
): WorkerDirectory => ({
  announce: async (entry) => {
    await bucket.put(entry.worker, JSON.stringify(entry)).catch((error: unknown) => {
      throw busError('announce a worker', error);
    });
  },
  retire: async (worker) => {
    await bucket.delete(worker).catch((error: unknown) => {
      throw busError('retire a worker', error);
    });
  },
  beat: (beat) => {
    if (!nc.isClosed()) nc.publish(beatSubject, JSON.stringify(beat));
  },
  onBeat: (listener) => {
    const onMessage = (message: Msg): void => {
      const beat = border.read('beat', message.string(), parseBeat);
      if (beat !== undefined) listener(beat);
    };
    return subscribeNow(nc, beatSubject, onMessage, onError);
  },
  list: async () => {
    const query = { stream: kvStream(BUCKETS.workers), subjects: [workerSubjects], replicas };
    const { messages } = await readLastMessages(nc, inboxPrefix, query);
    // A worker that retired leaves a marker, which expires like an entry.
    return messages
      .filter((message) => !message.headers?.has('KV-Operation'))
      .flatMap((message) => border.read('directory_entry', message.string(), parseWorkerInfo) ?? []);
  },
});
