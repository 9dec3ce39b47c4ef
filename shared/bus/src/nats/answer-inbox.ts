import { createInbox } from 'nats';
import type { Msg, MsgHdrs, NatsConnection, Subscription } from 'nats';

const SWEEP_MS = 100;

/** Who waits for an answer; told once. */
export type Asker = {
  answered(message: Msg): void;
  /** There is none, and nobody knows what became of the message. */
  unanswered(detail: string): void;
};

type Waiting = { readonly asker: Asker; readonly deadline: number };

export type Question = { readonly subject: string; readonly payload: string; readonly headers: MsgHdrs };

/**
 * Publishes what JetStream answers, with an inbox of our own: one subscription for all answers and one sweep for all
 * timeouts. The library's `publish` makes a promise chain and a timer per message and costs about three times the CPU.
 */
export class AnswerInbox {
  readonly #nc: NatsConnection;
  readonly #timeoutMs: number;
  readonly #prefix: string;
  readonly #answers: Subscription;
  /** in order of their deadlines */
  readonly #waiting = new Map<string, Waiting>();
  readonly #sweep: NodeJS.Timeout;
  #next = 0;

  /** @param timeoutMs without an answer for this long the outcome is unknown */
  constructor(nc: NatsConnection, inboxPrefix: string, timeoutMs: number) {
    this.#nc = nc;
    this.#timeoutMs = timeoutMs;
    this.#prefix = `${createInbox(inboxPrefix)}.`;
    this.#answers = nc.subscribe(`${this.#prefix}*`, {
      callback: (error, message) => {
        if (error === null || error === undefined) this.#onAnswer(message);
      },
    });
    this.#sweep = setInterval(() => this.#expire(), SWEEP_MS);
    this.#sweep.unref();
  }

  /** @throws what the library throws; then nothing was sent, and the asker is told nothing */
  publish({ subject, payload, headers }: Question, asker: Asker): void {
    const id = (this.#next++).toString(36);
    this.#waiting.set(id, { asker, deadline: performance.now() + this.#timeoutMs });
    try {
      this.#nc.publish(subject, payload, { reply: this.#prefix + id, headers });
    } catch (error) {
      this.#waiting.delete(id);
      throw error;
    }
  }

  /** Waits for nothing any more. */
  failAll(detail: string): void {
    for (const id of this.#waiting.keys()) this.#take(id)?.unanswered(detail);
  }

  /** Idempotent. */
  close(): void {
    clearInterval(this.#sweep);
    this.#answers.unsubscribe();
    this.failAll('bus closed');
  }

  #onAnswer(message: Msg): void {
    this.#take(message.subject.slice(this.#prefix.length))?.answered(message);
  }

  #take(id: string): Asker | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting?.asker;
  }

  #expire(): void {
    const now = performance.now();
    for (const [id, { deadline }] of this.#waiting) {
      if (deadline > now) return;
      this.#take(id)?.unanswered(`no answer in ${this.#timeoutMs} ms`);
    }
  }
}
