import { ANY_QUEUE } from '../job-queue.ts';
import type { Delivery, Job, JobQueue } from '../job-queue.ts';
import { jobSubject, ownJobSubjects } from '../subjects.ts';
import { listen } from './memory-hub.ts';
import type { MemoryHub, Puller, QueuedJob } from './memory-hub.ts';

/** A work queue with redelivery: a job that is not acked within the ack wait comes again. */
export const createMemoryJobs = (hub: MemoryHub, ackWaitMs: number): JobQueue => {
  const deliver = (subject: string, queued: QueuedJob): Delivery =>
    deliveryOf(queued, ackWaitMs, () => offer(subject, queued));

  const offer = (subject: string, queued: QueuedJob): void => {
    if (queued.acked) return;
    const [puller] = hub.pullers.get(subject) ?? [];
    if (puller !== undefined) return puller(deliver(subject, queued));
    hub.jobs.set(subject, [...(hub.jobs.get(subject) ?? []), queued]);
  };

  const publish = (job: Job, queue: string): void => {
    const id = `${job.org}.${job.session}.${job.generation}.${job.attempt}.${queue}`;
    if (hub.jobIds.has(id)) return;
    hub.jobIds.add(id);
    const queued = { job: { ...job }, deliveries: 0, acked: false };
    if (queue === ANY_QUEUE) return offer(jobSubject(job.model, queue), queued);
    hub.ownJobs.set(queue, (hub.ownJobs.get(queue) ?? new Set()).add(queued));
    offer(ownJobSubjects(queue), queued);
  };

  const pull = (subject: string, waitMs: number, signal: AbortSignal): Promise<Delivery | undefined> => {
    if (signal.aborted) return Promise.resolve(undefined);
    const waiting = takeWaiting(hub, subject);
    if (waiting !== undefined) return Promise.resolve(deliver(subject, waiting));
    return waitForOffer(hub, subject, waitMs, signal);
  };

  return {
    publish: (job, queue = ANY_QUEUE) => Promise.resolve(publish(job, queue)),
    pull: (model, waitMs, signal) => pull(jobSubject(model, ANY_QUEUE), waitMs, signal),
    pullOwn: (worker, waitMs, signal) => pull(ownJobSubjects(worker), waitMs, signal),
    adopt: (worker) => {
      const left = unackedOf(hub, worker);
      hub.ownJobs.delete(worker);
      for (const queued of left) {
        // Whoever had taken it has it no more.
        queued.acked = true;
        publish({ ...queued.job, isOrphan: true }, ANY_QUEUE);
      }
      return Promise.resolve(left.length);
    },
    owners: () =>
      Promise.resolve([...hub.ownJobs.keys()].filter((worker) => unackedOf(hub, worker).length > 0)),
  };
};

const unackedOf = (hub: MemoryHub, worker: string): QueuedJob[] =>
  [...(hub.ownJobs.get(worker) ?? [])].filter(({ acked }) => !acked);

const deliveryOf = (queued: QueuedJob, ackWaitMs: number, offerAgain: () => void): Delivery => {
  queued.deliveries += 1;
  let settled = false;
  let timer = setTimeout(offerAgain, ackWaitMs).unref();
  const offerAfter = (ms: number): void => {
    clearTimeout(timer);
    timer = setTimeout(offerAgain, ms).unref();
  };
  return {
    job: queued.job,
    redelivered: queued.deliveries > 1 || queued.job.isOrphan === true,
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

const waitForOffer = (
  hub: MemoryHub,
  subject: string,
  waitMs: number,
  signal: AbortSignal,
): Promise<Delivery | undefined> =>
  new Promise((resolve) => {
    const settle: Puller = (delivery) => {
      subscription.close();
      clearTimeout(timer);
      signal.removeEventListener('abort', giveUp);
      resolve(delivery);
    };
    const giveUp = (): void => settle(undefined);
    const subscription = listen(hub.pullers, subject, settle);
    const timer = setTimeout(giveUp, waitMs);
    signal.addEventListener('abort', giveUp, { once: true });
  });
