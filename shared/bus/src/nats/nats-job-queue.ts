import { createHash } from 'node:crypto';
import { AckPolicy } from '@nats-io/jetstream';
import type { Consumer, JetStreamClient, JetStreamManager, JsMsg } from '@nats-io/jetstream';
import { parseGenerationId, parseOrg, parseSessionId } from '@sluice/protocol';
import type { Delivery, Job, JobQueue } from '../job-queue.ts';
import { STREAMS, jobSubject } from '../subjects.ts';
import { unavailable } from './last-message.ts';

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
        throw unavailable('enqueue a job', error);
      }
    },
    pull: async (model, waitMs, signal) => {
      if (signal.aborted) return undefined;
      try {
        const consumer = await consumerOf(model);
        return await pullOne(consumer, waitMs, signal);
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

const pullOne = async (
  consumer: Consumer,
  waitMs: number,
  signal: AbortSignal,
): Promise<Delivery | undefined> => {
  const messages = await consumer.fetch({ max_messages: 1, expires: Math.max(1_000, waitMs) });
  const stop = (): void => messages.stop();
  signal.addEventListener('abort', stop, { once: true });
  try {
    for await (const message of messages) {
      const delivery = toDelivery(message);
      if (delivery !== undefined) return delivery;
    }
    return undefined;
  } finally {
    signal.removeEventListener('abort', stop);
  }
};

/** A job that cannot be read is taken off the queue: it would come back for ever. */
const toDelivery = (message: JsMsg): Delivery | undefined => {
  const job = parseJob(message);
  if (job === undefined) {
    message.term('not a job');
    return undefined;
  }
  return {
    job,
    redelivered: message.redelivered,
    working: () => message.working(),
    ack: async () => {
      // Waits for the server's word; if none comes the job is redelivered and skipped at the claim.
      await message.ackAck().catch(() => false);
    },
    nak: (delayMs = 0) => message.nak(delayMs),
  };
};

const parseJob = (message: JsMsg): Job | undefined => {
  try {
    const { org, session, generation, model, attempt } = message.json<Record<string, unknown>>();
    if (typeof model !== 'string' || typeof attempt !== 'number') return undefined;
    return {
      org: parseOrg(org),
      session: parseSessionId(session),
      generation: parseGenerationId(generation),
      model,
      attempt,
    };
  } catch {
    // Not JSON, or ids that are not ids: the same as any other message that is no job.
    return undefined;
  }
};
