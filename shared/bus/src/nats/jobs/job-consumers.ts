import { createHash } from 'node:crypto';
import { AckPolicy, JetStreamApiError } from '@nats-io/jetstream';
import type { Consumer, ConsumerConfig, JetStreamClient, JetStreamManager } from '@nats-io/jetstream';
import type { Border } from '../../border.ts';
import { STREAMS, ownJobSubjects, sharedJobSubjects } from '../../subjects.ts';
import { GivenUpRequests } from './job-pull.ts';
import type { ConsumerSource } from './job-pull.ts';

/** Jobs that may be running at once per queue, over all workers. */
const MAX_RUNNING = 100_000;
/** A worker's own consumer is forgotten when nobody has pulled for this long and nobody adopted it, ms. */
const OWN_IDLE_MS = 60_000;
const CONSUMER_NOT_FOUND = 10014;

const nanos = (ms: number): number => ms * 1_000_000;

export type ConsumerOptions = {
  /** how long a job may go without a word before it is delivered again */
  readonly ackWaitMs: number;
  readonly border: Border;
};

/**
 * The consumers of the work queue: one a model that its workers share, one a worker for its own queue. A
 * work queue refuses a second one on the same subject, so whoever needs one opens it by its name.
 */
export class JobConsumers {
  readonly #js: JetStreamClient;
  readonly #jsm: JetStreamManager;
  readonly #ackWaitMs: number;
  readonly border: Border;
  readonly givenUp = new GivenUpRequests();
  readonly #open = new Map<string, Promise<Consumer>>();

  constructor(js: JetStreamClient, jsm: JetStreamManager, { ackWaitMs, border }: ConsumerOptions) {
    this.#js = js;
    this.#jsm = jsm;
    this.#ackWaitMs = ackWaitMs;
    this.border = border;
  }

  shared(model: string): ConsumerSource {
    const hash = createHash('sha256').update(model).digest('hex').slice(0, 24);
    return this.#source(`any-${hash}`, { filter_subject: sharedJobSubjects(model) });
  }

  own(worker: string): ConsumerSource {
    const idle = nanos(OWN_IDLE_MS);
    return this.#source(ownName(worker), {
      filter_subject: ownJobSubjects(worker),
      inactive_threshold: idle,
    });
  }

  /** What it had delivered and nobody acked is in the queue again, for the next consumer. */
  async removeOwn(worker: string): Promise<void> {
    const name = ownName(worker);
    this.#open.delete(name);
    try {
      await this.#jsm.consumers.delete(STREAMS.jobs, name);
    } catch (error) {
      const isGone = error instanceof JetStreamApiError && error.code === CONSUMER_NOT_FOUND;
      if (!isGone) throw error;
    }
  }

  #source(name: string, config: Partial<ConsumerConfig>): ConsumerSource {
    return {
      open: () => {
        const consumer = this.#open.get(name) ?? this.#add(name, config);
        this.#open.set(name, consumer);
        return consumer;
      },
      forget: () => void this.#open.delete(name),
      border: this.border,
      givenUp: this.givenUp,
    };
  }

  async #add(name: string, config: Partial<ConsumerConfig>): Promise<Consumer> {
    await this.#jsm.consumers.add(STREAMS.jobs, {
      ...config,
      durable_name: name,
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(this.#ackWaitMs),
      max_deliver: -1,
      max_ack_pending: MAX_RUNNING,
    });
    return this.#js.consumers.get(STREAMS.jobs, name);
  }
}

const ownName = (worker: string): string => `own-${worker}`;
