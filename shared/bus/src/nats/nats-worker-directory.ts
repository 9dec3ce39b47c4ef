import type { KV } from '@nats-io/kv';
import type { WorkerDirectory, WorkerInfo } from '../worker-directory.ts';
import { unavailable } from './last-message.ts';

export const createNatsWorkerDirectory = (bucket: KV): WorkerDirectory => ({
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
  list: async () => {
    try {
      const entries: WorkerInfo[] = [];
      for await (const key of await bucket.keys()) {
        const entry = await bucket.get(key);
        if (entry !== null && entry.operation === 'PUT') entries.push(entry.json<WorkerInfo>());
      }
      return entries;
    } catch (error) {
      throw unavailable('list of workers', error);
    }
  },
});
