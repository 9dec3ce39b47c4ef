import type { Consumer, JetStreamManager } from '@nats-io/jetstream';
import type { Job } from '../../job-queue.ts';
import { STREAMS, ownJobSubjects } from '../../subjects.ts';
import type { JobConsumers } from './job-consumers.ts';
import { toDelivery } from './job-pull.ts';

const BATCH = 100;
/** Messages that are there come at once; this is how long a batch is waited for, ms. */
const BATCH_MS = 2_000;

type AdoptionDeps = {
  readonly jsm: JetStreamManager;
  readonly consumers: JobConsumers;
  /** puts a job in the shared queue */
  readonly publish: (job: Job) => Promise<void>;
};

/**
 * Moves what is in a worker's own queue to the shared ones. Its consumer goes first: with it goes the
 * hold of a worker that is gone on the jobs it had taken, and one that hangs takes no more.
 */
export const adoptQueue = async (worker: string, deps: AdoptionDeps): Promise<number> => {
  const { jsm, consumers } = deps;
  await consumers.removeOwn(worker);
  if (await isEmpty(jsm, worker)) return 0;
  const consumer = await consumers.own(worker).open();
  let moved = 0;
  // A batch without any: the rest went to somebody who still pulls this queue, so it is not abandoned.
  for (let last = 1; last > 0; moved += last) last = await moveBatch(consumer, deps);
  await consumers.removeOwn(worker);
  return moved;
};

const isEmpty = async (jsm: JetStreamManager, worker: string): Promise<boolean> => {
  const { state } = await jsm.streams.info(STREAMS.jobs, { subjects_filter: ownJobSubjects(worker) });
  return Object.keys(state.subjects ?? {}).length === 0;
};

const moveBatch = async (consumer: Consumer, { publish, consumers }: AdoptionDeps): Promise<number> => {
  const { num_pending: left } = await consumer.info();
  if (left === 0) return 0;
  let moved = 0;
  const messages = await consumer.fetch({ max_messages: Math.min(left, BATCH), expires: BATCH_MS });
  for await (const message of messages) {
    const delivery = toDelivery(message, consumers.border);
    if (delivery === undefined) continue;
    await publish({ ...delivery.job, isOrphan: true });
    await delivery.ack();
    moved += 1;
  }
  return moved;
};
