import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream';
import { ANY_QUEUE } from '../../job-queue.ts';
import type { Job, JobQueue } from '../../job-queue.ts';
import { STREAMS, jobOfSubject, jobSubject, ownJobSubjects, queueOfJobSubject } from '../../subjects.ts';
import { adoptQueue } from './job-adoption.ts';
import { JobConsumers } from './job-consumers.ts';
import type { ConsumerOptions } from './job-consumers.ts';
import { pullOne } from './job-pull.ts';
import { busError, isThereAlready } from '../answer.ts';
import { retryUnstored } from '../write.ts';

export const createNatsJobQueue = (
  js: JetStreamClient,
  jsm: JetStreamManager,
  options: ConsumerOptions,
): JobQueue & { handedBack(): Promise<void> } => {
  const consumers = new JobConsumers(js, jsm, options);
  const publish = async (job: Job, queue = ANY_QUEUE): Promise<void> => {
    const subject = jobSubject(job, queue);
    const stored = retryUnstored(() => js.publish(subject, JSON.stringify(job)));
    await stored.catch((error: unknown) => {
      if (!isThereAlready(error)) throw error;
    });
  };
  /** Each message has a subject of its own. */
  const subjectsOf = async (pattern: string): Promise<readonly string[]> => {
    const request = jsm.streams.info(STREAMS.jobs, { subjects_filter: pattern });
    const { state } = await orUnavailable('look at the queues', request);
    return Object.keys(state.subjects ?? {});
  };
  return {
    publish: (job, queue) => orUnavailable('enqueue a job', publish(job, queue)),
    pull: async (model, waitMs, signal) => {
      if (signal.aborted) return undefined;
      return orUnavailable('pull a job', pullOne(consumers.shared(model), waitMs, signal));
    },
    pullOwn: async (worker, waitMs, signal) => {
      if (signal.aborted) return undefined;
      return orUnavailable('pull a job', pullOne(consumers.own(worker), waitMs, signal));
    },
    adopt: (worker) => orUnavailable('adopt a queue', adoptQueue(worker, { jsm, consumers, publish })),
    owners: async () => [...new Set((await subjectsOf(ownJobSubjects())).map(queueOfJobSubject))],
    list: async () => (await subjectsOf('>')).flatMap((subject) => jobOfSubject(subject) ?? []),
    handedBack: () => consumers.givenUp.over(),
  };
};

const orUnavailable = async <Result>(what: string, answer: Promise<Result>): Promise<Result> => {
  try {
    return await answer;
  } catch (error) {
    throw busError(what, error);
  }
};
