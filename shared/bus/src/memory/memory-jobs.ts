import type { Delivery, JobQueue } from '../job-queue.ts';
import { jobSubject } from '../subjects.ts';
import { listen } from './memory-hub.ts';
import type { MemoryHub, Puller, QueuedJob } from './memory-hub.ts';

/** A work queue with redelivery: a job that is not acked within the ack wait comes again. */
export const createMemoryJobs = (hub: MemoryHub, ackWaitMs: number): JobQueue => {
  const deliver = (subject: string, queued: QueuedJob): Delivery => {
    queued.deliveries += 1;
    let timer = setTimeout(() => offer(subject, queued), ackWaitMs).unref();
    return {
      job: queued.job,
      redelivered: queued.deliveries > 1,
      working: () => {
        clearTimeout(timer);
        timer = setTimeout(() => offer(subject, queued), ackWaitMs).unref();
      },
      ack: () => {
        clearTimeout(timer);
        return Promise.resolve();
      },
      nak: (delayMs = 0) => {
        clearTimeout(timer);
        setTimeout(() => offer(subject, queued), delayMs).unref();
      },
    };
  };

  const offer = (subject: string, queued: QueuedJob): void => {
    const [puller] = hub.pullers.get(subject) ?? [];
    if (puller !== undefined) return puller(deliver(subject, queued));
    hub.jobs.set(subject, [...(hub.jobs.get(subject) ?? []), queued]);
  };

  const pull = (subject: string, waitMs: number, signal: AbortSignal): Promise<Delivery | undefined> => {
    const waiting = hub.jobs.get(subject)?.shift();
    if (waiting !== undefined) return Promise.resolve(deliver(subject, waiting));
    if (signal.aborted) return Promise.resolve(undefined);
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
        offer(jobSubject(job.model, 'any'), { job, deliveries: 0 });
      }
      return Promise.resolve();
    },
    pull: (model, waitMs, signal) => pull(jobSubject(model, 'any'), waitMs, signal),
  };
};
