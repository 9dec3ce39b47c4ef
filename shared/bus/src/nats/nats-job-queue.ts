import { createHash } from 'node:crypto';
import { AckPolicy } from '@nats-io/jetstream';
import type { Consumer, JetStreamClient, JetStreamManager } from '@nats-io/jetstream';
import type { JobQueue } from '../job-queue.ts';
import { STREAMS, jobSubject } from '../subjects.ts';
import { pullOne } from './job-pull.ts';
import type { ConsumerSource } from './job-pull.ts';
import { unavailable } from './last-message.ts';
import { retryInProcess } from './write.ts';

/** Jobs that may be running at once per model, over all workers. */
const MAX_RUNNING = 100_000;

export const createNatsJobQueue = (
  js: JetStreamClient,
  jsm: JetStreamManager,
  ackWaitMs: number,
): JobQueue => {
  const consumers = new Map<string, Promise<Consumer>>();
  const sourceOf = (model: string): ConsumerSource => ({
    open: () => {
      const consumer = consumers.get(model) ?? openConsumer(js, jsm, model, ackWaitMs);
      consumers.set(model, consumer);
      return consumer;
    },
    forget: () => void consumers.delete(model),
  });

  return {
    publish: async (job) => {
      const id = `${job.org}.${job.session}.${job.generation}.${job.attempt}`;
      const subject = jobSubject(job.model, 'any');
      try {
        await retryInProcess(() => js.publish(subject, JSON.stringify(job), { msgID: id }));
      } catch (error) {
        throw unavailable('enqueue a job', error);
      }
    },
    pull: async (model, waitMs, signal) => {
      if (signal.aborted) return undefined;
      try {
        return await pullOne(sourceOf(model), waitMs, signal);
      } catch (error) {
        throw unavailable('pull a job', error);
      }
    },
  };
};

/** Every worker of a model shares one durable consumer: a work queue allows no second on its subject. */
const openConsumer = async (
  js: JetStreamClient,
  jsm: JetStreamManager,
  model: string,
  ackWaitMs: number,
): Promise<Consumer> => {
  const name = `any-${createHash('sha256').update(model).digest('hex').slice(0, 24)}`;
  await jsm.consumers.add(STREAMS.jobs, {
    durable_name: name,
    filter_subject: jobSubject(model, 'any'),
    ack_policy: AckPolicy.Explicit,
    ack_wait: ackWaitMs * 1_000_000,
    max_deliver: -1,
    max_ack_pending: MAX_RUNNING,
  });
  return js.consumers.get(STREAMS.jobs, name);
};
