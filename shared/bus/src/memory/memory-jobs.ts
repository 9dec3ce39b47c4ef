import type { Border } from '../border.ts';
import { ANY_QUEUE } from '../job-queue.ts';
import type { Delivery, Job, JobQueue } from '../job-queue.ts';
import { parseJob } from '../messages.ts';
import { jobOfSubject, jobSubject, ownJobSubjects, sharedJobSubjects } from '../subjects.ts';
import { enqueue, listen, offer } from './memory-hub.ts';
import type { MemoryHub, Puller, QueuedJob } from './memory-hub.ts';

type JobsOptions = { readonly border: Border; readonly ackWaitMs: number };

/** A work queue with redelivery: a job that is not acked within the ack wait comes again. */
export const createMemoryJobs = (hub: MemoryHub, { border, ackWaitMs }: JobsOptions): JobQueue => {
  /** A job that cannot be read is taken off the queue. */
  const jobIn = (queued: QueuedJob): Job | undefined => {
    const job = border.read('job', queued.text, parseJob);
    queued.acked ||= job === undefined;
    return job;
  };
  const toDelivery = (subject: string, queued: QueuedJob): Delivery | undefined => {
    const job = jobIn(queued);
    return job && deliveryOf({ job, queued, ackWaitMs, offerAgain: () => offer(hub, subject, queued) });
  };

  const publish = (job: Job, queue: string): void => {
    enqueue(hub, jobSubject(job, queue), { text: JSON.stringify(job), deliveries: 0, acked: false });
  };

  const pull = (subject: string, waitMs: number, signal: AbortSignal): Promise<Delivery | undefined> => {
    if (signal.aborted) return Promise.resolve(undefined);
    const toJob = (queued: QueuedJob): Delivery | undefined => toDelivery(subject, queued);
    for (
      let waiting = takeWaiting(hub, subject);
      waiting !== undefined;
      waiting = takeWaiting(hub, subject)
    ) {
      const delivery = toJob(waiting);
      if (delivery !== undefined) return Promise.resolve(delivery);
    }
    return waitForOffer({ hub, subject, toJob }, waitMs, signal);
  };

  return {
    publish: (job, queue = ANY_QUEUE) => Promise.resolve(publish(job, queue)),
    pull: (model, waitMs, signal) => pull(sharedJobSubjects(model), waitMs, signal),
    pullOwn: (worker, waitMs, signal) => pull(ownJobSubjects(worker), waitMs, signal),
    adopt: (worker) => {
      const left = unackedOf(hub, worker).map((queued) => ({ queued, job: jobIn(queued) }));
      hub.ownJobs.delete(worker);
      const jobs = left.flatMap(({ job }) => job ?? []);
      // Whoever had taken one has it no more.
      for (const { queued } of left) queued.acked = true;
      for (const job of jobs) publish({ ...job, isOrphan: true }, ANY_QUEUE);
      return Promise.resolve(jobs.length);
    },
    owners: () =>
      Promise.resolve([...hub.ownJobs.keys()].filter((worker) => unackedOf(hub, worker).length > 0)),
    list: () =>
      Promise.resolve(
        [...hub.queued].flatMap(([subject, { acked }]) => (acked ? [] : (jobOfSubject(subject) ?? []))),
      ),
  };
};

const unackedOf = (hub: MemoryHub, worker: string): QueuedJob[] =>
  [...(hub.ownJobs.get(worker) ?? [])].filter(({ acked }) => !acked);

type Delivering = {
  readonly job: Job;
  readonly queued: QueuedJob;
  readonly ackWaitMs: number;
  readonly offerAgain: () => void;
};

const deliveryOf = ({ job, queued, ackWaitMs, offerAgain }: Delivering): Delivery => {
  queued.deliveries += 1;
  let settled = false;
  let timer = setTimeout(offerAgain, ackWaitMs).unref();
  const offerAfter = (ms: number): void => {
    clearTimeout(timer);
    timer = setTimeout(offerAgain, ms).unref();
  };
  return {
    job,
    redelivered: queued.deliveries > 1 || job.isOrphan === true,
    working: () => {
      if (!settled) offerAfter(ackWaitMs);
    },
    ack: () => {
      settled = true;
      queued.acked = true;
      clearTimeout(timer);
      return Promise.resolve();
    },
    nak: (delayMs = 0) => {
      if (!settled) offerAfter(delayMs);
      settled = true;
    },
  };
};

const takeWaiting = (hub: MemoryHub, subject: string): QueuedJob | undefined => {
  const waiting = (hub.jobs.get(subject) ?? []).filter(({ acked }) => !acked);
  const next = waiting.shift();
  hub.jobs.set(subject, waiting);
  return next;
};

type Waiting = {
  readonly hub: MemoryHub;
  readonly subject: string;
  readonly toJob: (queued: QueuedJob) => Delivery | undefined;
};

const waitForOffer = (
  { hub, subject, toJob }: Waiting,
  waitMs: number,
  signal: AbortSignal,
): Promise<Delivery | undefined> =>
  new Promise((resolve) => {
    const settle = (delivery: Delivery | undefined): void => {
      subscription.close();
      clearTimeout(timer);
      signal.removeEventListener('abort', giveUp);
      resolve(delivery);
    };
    const take: Puller = (queued) => {
      const delivery = toJob(queued);
      if (delivery !== undefined) settle(delivery);
    };
    const giveUp = (): void => settle(undefined);
    const subscription = listen(hub.pullers, subject, take);
    const timer = setTimeout(giveUp, waitMs).unref();
    signal.addEventListener('abort', giveUp, { once: true });
  });
