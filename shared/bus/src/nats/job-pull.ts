import type { Consumer, ConsumerMessages, JsMsg } from '@nats-io/jetstream';
import { parseGenerationId, parseOrg, parseSessionId } from '@sluice/protocol';
import type { Delivery, Job } from '../job-queue.ts';

/**
 * A wait is a row of requests of at most this long. The server cannot be told that a request is no
 * longer wanted, so this bounds how long one that was given up keeps taking jobs and handing them back.
 */
const REQUEST_MS = 5_000;
/** the library's lower bound */
const MIN_REQUEST_MS = 1_000;

/** Waits for one job; undefined when `waitMs` pass or `signal` aborts. Throws what the library throws. */
export const pullOne = async (
  opening: Promise<Consumer>,
  waitMs: number,
  signal: AbortSignal,
): Promise<Delivery | undefined> => {
  const end = endOf(waitMs, signal);
  const deadline = performance.now() + waitMs;
  try {
    const consumer = await Promise.race([opening, end.reached]);
    if (consumer === undefined) return undefined;
    for (;;) {
      const leftMs = deadline - performance.now();
      const expires = Math.ceil(Math.max(MIN_REQUEST_MS, Math.min(REQUEST_MS, leftMs)));
      const messages = await consumer.fetch({ max_messages: 1, expires });
      const delivery = await firstOf(messages, end.reached);
      if (delivery !== undefined) return delivery;
      if (signal.aborted || performance.now() >= deadline) return undefined;
    }
  } finally {
    end.close();
  }
};

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
): Promise<Delivery | undefined> => {
  const take = async (): Promise<Delivery | undefined> => {
    for await (const message of messages) {
      const delivery = toDelivery(message);
      if (delivery !== undefined) return delivery;
    }
    return undefined;
  };
  const taking = take();
  const first = await Promise.race([taking, end]);
  // Given up on: whether the request fails later concerns nobody.
  if (first === undefined)
    void taking.then(
      (late) => late?.nak(),
      () => undefined,
    );
  return first;
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
