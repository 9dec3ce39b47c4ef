import type { Consumer, ConsumerMessages, JsMsg } from '@nats-io/jetstream';
import type { Border } from '../../border.ts';
import type { Delivery } from '../../job-queue.ts';
import { parseJob } from '../../messages.ts';
import { within } from '../within.ts';

/**
 * A wait is a row of requests of at most this long. The server cannot be told that a request is no
 * longer wanted, so this bounds how long one that was given up keeps taking jobs and handing them back.
 */
const REQUEST_MS = 10_000;
/** the library's lower bound */
const MIN_REQUEST_MS = 1_000;
const RETRY_MS = 200;

/** The consumer to pull from: `open` makes it unless it is known, `forget` makes the next `open` look anew. */
export type ConsumerSource = {
  open(): Promise<Consumer>;
  forget(): void;
  readonly border: Border;
  readonly givenUp: GivenUpRequests;
};

/** Requests whose wait is over and that may still bring a job. */
export class GivenUpRequests {
  readonly #over = new Set<Promise<void>>();

  /** What this request still brings is handed back. */
  add(taking: Promise<Delivery | undefined>): void {
    // Given up on: whether the request fails later concerns nobody.
    const handBack = taking.then(
      (late) => late?.nak(),
      () => undefined,
    );
    const over = handBack.finally(() => this.#over.delete(over));
    this.#over.add(over);
  }

  /** Resolves when none of them can bring a job any more: who leaves sooner takes it along until the ack wait ends. */
  async over(): Promise<void> {
    const all = Promise.all(this.#over);
    await within(REQUEST_MS, all, 'requests without an end').catch(() => undefined);
  }
}

/**
 * Waits for one job; undefined when `waitMs` pass or `signal` aborts. Failures are waited through while
 * there is time: a consumer that has just been made, or lost its leader, has no responders for a moment.
 */
export const pullOne = async (
  source: ConsumerSource,
  waitMs: number,
  signal: AbortSignal,
): Promise<Delivery | undefined> => {
  const end = endOf(waitMs, signal);
  const deadline = performance.now() + waitMs;
  try {
    for (;;) {
      try {
        const delivery = await request(source, deadline, end.reached);
        if (delivery !== undefined) return delivery;
      } catch (error) {
        // The consumer itself may be what is missing: the server may have lost its store.
        source.forget();
        if (!signal.aborted && performance.now() + RETRY_MS >= deadline) throw error;
        await Promise.race([pause(RETRY_MS), end.reached]);
      }
      if (signal.aborted || performance.now() >= deadline) return undefined;
    }
  } finally {
    end.close();
  }
};

const request = async (
  source: ConsumerSource,
  deadline: number,
  end: Promise<undefined>,
): Promise<Delivery | undefined> => {
  const opening = source.open();
  // Given up on at the end: whether it fails later concerns nobody.
  opening.catch(() => undefined);
  const consumer = await Promise.race([opening, end]);
  if (consumer === undefined) return undefined;
  const leftMs = deadline - performance.now();
  const expires = Math.ceil(Math.max(MIN_REQUEST_MS, Math.min(REQUEST_MS, leftMs)));
  return firstOf(await consumer.fetch({ max_messages: 1, expires }), end, source);
};

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** `reached` resolves when the time is over or the signal aborts. */
const endOf = (waitMs: number, signal: AbortSignal): { reached: Promise<undefined>; close(): void } => {
  let close = (): void => undefined;
  const reached = new Promise<undefined>((resolve) => {
    const finish = (): void => resolve(undefined);
    const timer = setTimeout(finish, waitMs);
    if (signal.aborted) finish();
    else signal.addEventListener('abort', finish, { once: true });
    close = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', finish);
    };
  });
  return { reached, close };
};

/** The first job among the messages. One that comes after `end` is handed back at once, never lost. */
const firstOf = async (
  messages: ConsumerMessages,
  end: Promise<undefined>,
  { border, givenUp }: Pick<ConsumerSource, 'border' | 'givenUp'>,
): Promise<Delivery | undefined> => {
  const take = async (): Promise<Delivery | undefined> => {
    for await (const message of messages) {
      const delivery = toDelivery(message, border);
      if (delivery !== undefined) return delivery;
    }
    return undefined;
  };
  const taking = take();
  const first = await Promise.race([taking, end]);
  if (first === undefined) givenUp.add(taking);
  return first;
};

/** A job that cannot be read is taken off the queue: it would come back for ever. */
export const toDelivery = (message: JsMsg, border: Border): Delivery | undefined => {
  const job = border.read('job', message.string(), parseJob);
  if (job === undefined) {
    message.term('not a job');
    return undefined;
  }
  return {
    job,
    redelivered: message.redelivered || job.isOrphan === true,
    working: () => message.working(),
    ack: async () => {
      // Waits for the server's word; if none comes the job is redelivered and skipped at the claim.
      await message.ackAck().catch(() => false);
    },
    nak: (delayMs = 0) => message.nak(delayMs),
  };
};
