import type { Delivery, JobQueue } from '../job-queue.ts';
import { jobSubject } from '../subjects.ts';
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

  return {
    publish: (job) => {
      const id = `${job.org}.${job.session}.${job.generation}.${job.attempt}`;
      if (!hub.jobIds.has(id)) {
        hub.jobIds.add(id);
        offer(jobSubject(job.model, 'any'), { job: { ...job }, deliveries: 0, acked: false });
      }
      return Promise.resolve();
    },
    pull: (model, waitMs, signal) => {
      const subject = jobSubject(model, 'any');
      if (signal.aborted) return Promise.resolve(undefined);
      const waiting = takeWaiting(hub, subject);
      if (waiting !== undefined) return Promise.resolve(deliver(subject, waiting));
      return waitForOffer(hub, subject, waitMs, signal);
    },
  };
};

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
    redelivered: queued.deliveries > 1,
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
