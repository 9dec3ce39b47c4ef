import { jetstream } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import type { NatsConnection } from 'nats';
import { BodyStore } from '../bodies/body-store.ts';
import { sessionsWithBodies } from '../bodies/sessions-with-bodies.ts';
import { Border } from '../border.ts';
import type { Bus } from '../bus.ts';
import { BUCKETS } from '../subjects.ts';
import { flush } from './confirmed-subscription.ts';
import { REQUEST_TIMEOUT_MS, connectNats, inboxPrefixOf, retryAtStart } from './connection/connection.ts';
import type { NatsOptions } from './connection/connection.ts';
import { leaveCutOff } from './connection/cut-off.ts';
import { ensureStreams } from './streams/ensure-streams.ts';
import { createNatsLink, watchConnection } from './connection/link.ts';
import { isFinal, openManager } from './connection/manager.ts';
import { createNatsCounters } from './nats-counters.ts';
import { createNatsControl, createNatsPresence, createNatsStats } from './nats-control.ts';
import { createNatsJobQueue } from './jobs/nats-job-queue.ts';
import { createNatsErasure } from './cards/nats-erasure.ts';
import { createNatsOpenGenerations } from './nats-open-generations.ts';
import { createNatsOrgs } from './nats-orgs.ts';
import { createNatsRelay } from './nats-relay.ts';
import { createNatsRevocations } from './revocations/nats-revocations.ts';
import { createNatsChunks } from './nats-chunks.ts';
import { createNatsSessionCards } from './cards/nats-session-cards.ts';
import { createNatsRecordStore } from './nats-session-store.ts';
import { createNatsTokenLog } from './tokens/nats-token-log.ts';
import { createNatsUsageLedger } from './nats-usage-ledger.ts';
import { createNatsWorkerDirectory } from './nats-worker-directory.ts';
import { wantedStreams } from './streams/streams.ts';

/**
 * Connects, creates or checks the streams, and returns the bus.
 * @param onError called with what a listener throws, and when the server refuses or ends a subscription
 * @throws BusUnavailableError, RefusedLoginError, StreamMismatchError, UnsupportedServerError
 */
export const createNatsBus = async (
  options: NatsOptions,
  onError: (error: Error) => void = () => undefined,
): Promise<Bus> => {
  const nc = await connectNats(options);
  try {
    return await openBus(nc, options, onError);
  } catch (error) {
    await nc.close();
    throw error;
  }
};

const openBus = async (
  nc: NatsConnection,
  options: NatsOptions,
  onError: (error: Error) => void,
): Promise<Bus> => {
  const { replicas = 1, partitions = 1, ackWaitMs = 30_000 } = options;
  const inboxPrefix = inboxPrefixOf(options);
  const border = new Border();
  const inlet = { border, onError };
  const connection = watchConnection(nc);
  const jsm = await openManager(nc, (manager) => ensureStreams(manager, options));
  const js = jetstream(nc, { timeout: REQUEST_TIMEOUT_MS });
  const kvm = new Kvm(js);
  const open = (bucket: string) => kvm.open(bucket, { allow_direct: true });
  const { sessions: ofSessions, prompts: ofPrompts, workers: ofWorkers, orgs: ofOrgs } = BUCKETS;
  const openAll = () => Promise.all([open(ofSessions), open(ofPrompts), open(ofWorkers), open(ofOrgs)]);
  const [sessions, prompts, workers, orgs] = await retryAtStart(openAll, isFinal, 'JetStream');
  const tokens = createNatsTokenLog(nc, jsm, { connection, replicas, partitions, inboxPrefix, ...inlet });
  const counters = createNatsCounters(nc, jsm, { replicas, inboxPrefix, border });
  const jobs = createNatsJobQueue(js, jsm, { ackWaitMs, border });
  // One server alone is cut off from nobody.
  const watch = replicas === 1 ? undefined : leaveCutOff(nc, jsm, connection);
  const streams = wantedStreams(options).map(({ name }) => name);
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    if (connection.connected) {
      await jobs.handedBack();
      // What was sent last, a job handed back say, shall still arrive; without a server it cannot.
      await flush(nc).catch(() => undefined);
    }
    watch?.close();
    tokens.close();
    counters.close();
    await nc.close();
  };
  return {
    tokens,
    sessions: sessionsWithBodies(
      createNatsRecordStore(nc, jsm, { sessions, prompts }, { replicas, inboxPrefix, border }),
      new BodyStore(createNatsChunks({ nc, js, jsm, replicas, inboxPrefix }), border),
    ),
    open: createNatsOpenGenerations(nc, js, { inboxPrefix, replicas }),
    cards: createNatsSessionCards(nc, js, jsm, { replicas, inboxPrefix, border }),
    erasure: createNatsErasure({ js, jsm, tokens, replicas, partitions }),
    jobs,
    counters,
    usage: createNatsUsageLedger(nc, js, { replicas, inboxPrefix, border }),
    control: createNatsControl(nc, inlet),
    presence: createNatsPresence(nc),
    stats: createNatsStats(nc, inlet),
    revocations: createNatsRevocations(nc, js, { inboxPrefix, replicas, ...inlet }),
    relay: createNatsRelay(nc, { inboxPrefix, onError }),
    workers: createNatsWorkerDirectory(nc, workers, { inboxPrefix, replicas, ...inlet }),
    orgs: createNatsOrgs(nc, jsm, orgs, { inboxPrefix, replicas, ...inlet }),
    link: createNatsLink(nc, jsm, connection, streams),
    border,
    close: () => (closing ??= close()),
  };
};
