import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { JetStreamManager } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import type { NatsConnection } from 'nats';
import type { Bus, Link } from '../bus.ts';
import { BUCKETS } from '../subjects.ts';
import { REQUEST_TIMEOUT_MS, connectNats } from './connection.ts';
import type { NatsOptions } from './connection.ts';
import { unavailable } from './last-message.ts';
import { createNatsControl, createNatsPresence } from './nats-control.ts';
import { createNatsJobQueue } from './nats-job-queue.ts';
import { createNatsSessionStore } from './nats-session-store.ts';
import { createNatsTokenLog } from './nats-token-log.ts';
import { createNatsWorkerDirectory } from './nats-worker-directory.ts';
import { ensureStreams, wantedStreams } from './streams.ts';

/**
 * Connects, creates or checks the streams, and returns the bus.
 * @param onInvalid called with the error for each stored record or item that cannot be read
 * @throws BusUnavailableError, StreamMismatchError
 */
export const createNatsBus = async (
  options: NatsOptions,
  onInvalid: (error: Error) => void = () => undefined,
): Promise<Bus> => {
  const { replicas = 1, partitions = 1, ackWaitMs = 30_000 } = options;
  const nc = await connectNats(options);
  try {
    const jsm = await jetstreamManager(nc, { timeout: REQUEST_TIMEOUT_MS });
    await ensureStreams(jsm, options);
    const js = jetstream(nc, { timeout: REQUEST_TIMEOUT_MS });
    const kvm = new Kvm(js);
    const open = (bucket: string) => kvm.open(bucket, { bindOnly: true, allow_direct: true });
    const inboxPrefix = options.user === undefined ? undefined : `_INBOX_${options.user}`;
    const tokens = createNatsTokenLog(nc, jsm, { replicas, partitions, inboxPrefix, onInvalid });
    const [sessions, prompts, workers] = await Promise.all([
      open(BUCKETS.sessions),
      open(BUCKETS.prompts),
      open(BUCKETS.workers),
    ]);
    let closing: Promise<void> | undefined;
    return {
      tokens,
      sessions: createNatsSessionStore(jsm, { sessions, prompts }, replicas),
      jobs: createNatsJobQueue(js, jsm, ackWaitMs),
      control: createNatsControl(nc),
      presence: createNatsPresence(nc),
      workers: createNatsWorkerDirectory(workers),
      link: createLink(nc, jsm, options),
      close: () => {
        tokens.close();
        closing ??= nc.close();
        return closing;
      },
    };
  } catch (error) {
    await nc.close();
    throw error;
  }
};

const createLink = (nc: NatsConnection, jsm: JetStreamManager, options: NatsOptions): Link => {
  let connected = true;
  const listeners = new Set<() => void>();
  const follow = async (): Promise<void> => {
    for await (const status of nc.status()) {
      if (status.type === 'disconnect') connected = false;
      if (status.type !== 'reconnect') continue;
      connected = true;
      for (const listener of listeners) listener();
    }
  };
  void follow();
  const bounded = wantedStreams(options);
  return {
    get connected() {
      return connected && !nc.isClosed();
    },
    onReconnect: (listener) => {
      listeners.add(listener);
      return { close: () => void listeners.delete(listener) };
    },
    closed: nc.closed().then((error) => error ?? undefined),
    fullness: async () => {
      try {
        const infos = await Promise.all(bounded.map(({ name }) => jsm.streams.info(name)));
        return Math.max(...infos.map(({ state, config }) => state.bytes / config.max_bytes));
      } catch (error) {
        throw unavailable('stream usage', error);
      }
    },
  };
};
