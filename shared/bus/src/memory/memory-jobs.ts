import type { Delivery, JobQueue } from '../job-queue.ts';
import { jobSubject } from '../subjects.ts';
import { listen } from './memory-hub.ts';
import type { MemoryHub, Puller, QueuedJob } from './memory-hub.ts';

/** A work queue with redelivery: a job that is not acked within the ack wait comes again. */
export const createMemoryJobs = (hub: MemoryHub, ackWaitMs: number): JobQueue => {
  const deliver = (subject: string, queued: QueuedJob): Delivery => {
    queued.deliveries += 1;
    let settled = false;
    let timer: NodeJS.Timeout;
    const offerAfter = (ms: number): void => {
      clearTimeout(timer);
      timer = setTimeout(() => offer(subject, queued), ms).unref();
    };
    offerAfter(ackWaitMs);
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

  const offer = (subject: string, queued: QueuedJob): void => {
    if (queued.acked) return;
    const [puller] = hub.pullers.get(subject) ?? [];
    if (puller !== undefined) return puller(deliver(subject, queued));
    hub.jobs.set(subject, [...(hub.jobs.get(subject) ?? []), queued]);
  };

  const nextWaiting = (subject: string): QueuedJob | undefined => {
    const waiting = (hub.jobs.get(subject) ?? []).filter(({ acked }) => !acked);
    const next = waiting.shift();
    hub.jobs.set(subject, waiting);
    return next;
  };

  const pull = (subject: string, waitMs: number, signal: AbortSignal): Promise<Delivery | undefined> => {
    if (signal.aborted) return Promise.resolve(undefined);
    const waiting = nextWaiting(subject);
    if (waiting !== undefined) return Promise.resolve(deliver(subject, waiting));
    return new Promise((resolve) => {
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
    pull: (model, waitMs, signal) => pull(jobSubject(model, 'any'), waitMs, signal),
  };
};
