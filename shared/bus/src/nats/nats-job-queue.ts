import { createHash } from 'node:crypto';
import { AckPolicy } from '@nats-io/jetstream';
import type { Consumer, JetStreamClient, JetStreamManager } from '@nats-io/jetstream';
import type { JobQueue } from '../job-queue.ts';
import { STREAMS, jobSubject } from '../subjects.ts';
import { pullOne } from './job-pull.ts';
import { isInProcess, unavailable } from './last-message.ts';

/** Jobs that may be running at once per model, over all workers. */
const MAX_RUNNING = 100_000;

export const createNatsJobQueue = (
  js: JetStreamClient,
  jsm: JetStreamManager,
  ackWaitMs: number,
): JobQueue => {
  const consumers = new Map<string, Promise<Consumer>>();

  const consumerOf = (model: string): Promise<Consumer> => {
    const known = consumers.get(model) ?? openConsumer(js, jsm, model, ackWaitMs);
    consumers.set(model, known);
    known.catch(() => consumers.delete(model));
    return known;
  };

  return {
    publish: async (job) => {
      const id = `${job.org}.${job.session}.${job.generation}.${job.attempt}`;
      try {
        await js.publish(jobSubject(job.model, 'any'), JSON.stringify(job), { msgID: id });
      } catch (error) {
        // The same job, published by somebody else, is being replicated: it is on its way.
        if (!isInProcess(error)) throw unavailable('enqueue a job', error);
      }
    },
    pull: async (model, waitMs, signal) => {
      if (signal.aborted) return undefined;
      try {
        return await pullOne(consumerOf(model), waitMs, signal);
      } catch (error) {
        // The consumer may be what is missing (the server lost its store): the next pull opens it anew.
        consumers.delete(model);
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
