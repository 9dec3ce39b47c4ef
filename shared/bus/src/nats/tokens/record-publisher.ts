import type { PublishOutcome } from '@sluice/core';
import { createInbox, headers } from 'nats';
import type { Msg, NatsConnection, Subscription } from 'nats';
import { meaningOfCode } from '../answer.ts';
import type { Connection } from '../connection/link.ts';

/** A publish without an answer after this long has an unknown outcome. */
const PUBLISH_TIMEOUT_MS = 1_000;
const SWEEP_MS = 100;

type Pending = { readonly settle: (outcome: PublishOutcome) => void; readonly deadline: number };

/** What must still be so for a record to be stored. */
export type Fence = {
  /** a pattern: the chunks of one generation */
  readonly subjects: string;
  /** stream sequence of the newest message of all of them; 0: there is none */
  readonly expected: number;
};

/**
 * Publishes token records with an inbox of our own: one subscription for all answers and one sweep for
 * all timeouts. The library's `publish` makes a promise chain and a timer per message and costs about
 * three times the CPU, which matters only here, on the one path that runs per token.
 */
export class RecordPublisher {
  readonly #nc: NatsConnection;
  readonly #connection: Connection;
  readonly #inbox: string;
  readonly #subscriptions: readonly { close(): void }[];
  /** in order of their deadlines */
  readonly #pending = new Map<string, Pending>();
  readonly #sweep: NodeJS.Timeout;
  #next = 0;

  constructor(nc: NatsConnection, connection: Connection, inboxPrefix: string) {
    this.#nc = nc;
    this.#connection = connection;
    this.#inbox = `${createInbox(inboxPrefix)}.`;
    const answers: Subscription = nc.subscribe(`${this.#inbox}*`, {
      callback: (error, message) => {
        if (error === null || error === undefined) this.#onAnswer(message);
      },
    });
    // The answers of a lost connection are lost with it, so there is nothing to wait for.
    const outages = connection.onDisconnect(() => this.#settleAll('connection lost'));
    this.#subscriptions = [{ close: () => answers.unsubscribe() }, outages];
    this.#sweep = setInterval(() => this.#expire(), SWEEP_MS);
    this.#sweep.unref();
  }

  publish(subject: string, payload: string, { subjects, expected }: Fence): Promise<PublishOutcome> {
    // The library drops what is published while it is disconnected, or sends it late, without a word.
    if (!this.#connection.connected)
      return Promise.resolve({ type: 'unknown', detail: 'not connected', isOffline: true });
    return new Promise((settle) => {
      const id = (this.#next++).toString(36);
      const fence = headers();
      fence.set('Nats-Expected-Last-Subject-Sequence', String(expected));
      fence.set('Nats-Expected-Last-Subject-Sequence-Subject', subjects);
      this.#pending.set(id, { settle, deadline: performance.now() + PUBLISH_TIMEOUT_MS });
      try {
        this.#nc.publish(subject, payload, { reply: this.#inbox + id, headers: fence });
      } catch (error) {
        // Nothing was sent: the record is larger than the server takes, or the connection just closed.
        const type = this.#nc.isClosed() ? 'unknown' : 'limit';
        this.#settle(id, { type, detail: (error as Error).message });
      }
    });
  }

  /** Idempotent. What is still unanswered resolves as unknown. */
  close(): void {
    clearInterval(this.#sweep);
    for (const subscription of this.#subscriptions) subscription.close();
    this.#settleAll('bus closed');
  }

  #onAnswer(message: Msg): void {
    const id = message.subject.slice(this.#inbox.length);
    if (this.#pending.has(id)) this.#settle(id, outcomeOf(message));
  }

  #settle(id: string, outcome: PublishOutcome): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    pending?.settle(outcome);
  }

  #settleAll(detail: string): void {
    for (const id of this.#pending.keys()) this.#settle(id, { type: 'unknown', detail });
  }

  #expire(): void {
    const now = performance.now();
    for (const [id, { deadline }] of this.#pending) {
      if (deadline > now) return;
      this.#settle(id, { type: 'unknown', detail: `no answer in ${PUBLISH_TIMEOUT_MS} ms` });
    }
  }
}

const outcomeOf = (message: Msg): PublishOutcome => {
  // An empty answer is a status (503 no responders: an election, or JetStream not up yet).
  if (message.data.length === 0)
    return { type: 'unknown', detail: `status ${message.headers?.code ?? 'without code'}` };
  const { seq, error } = fieldsOf(message.string());
  if (error === undefined && isSequence(seq)) return { type: 'stored', sequence: seq };
  const { err_code: code = 0, description = '' } = isFields(error) ? error : {};
  const detail = `${String(code)} ${String(description)}`.trim();
  const meaning = meaningOfCode(Number(code));
  if (meaning === 'conflict') return { type: 'wrong_sequence' };
  if (meaning === 'in_process') return { type: 'in_process' };
  return meaning === 'unavailable' ? { type: 'unknown', detail } : { type: 'limit', detail };
};

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null;
const isSequence = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) > 0;

/** Without a schema, since one comes per record. What is no answer of JetStream's says nothing: unknown. */
const fieldsOf = (text: string): Fields => {
  try {
    const value: unknown = JSON.parse(text);
    return isFields(value) ? value : {};
  } catch {
    return {};
  }
};
