import type { PublishOutcome } from '@sluice/core';
import { headers } from 'nats';
import type { Msg, NatsConnection } from 'nats';
import { meaningOfCode } from '../answer.ts';
import { AnswerInbox } from '../answer-inbox.ts';
import type { Connection } from '../connection/link.ts';
import { publishAnswerOf } from '../publish-answer.ts';

/** A publish without an answer after this long has an unknown outcome. */
const PUBLISH_TIMEOUT_MS = 1_000;

/** What must still be so for a record to be stored. */
export type Fence = {
  /** a pattern: the chunks of one generation */
  readonly subjects: string;
  /** stream sequence of the newest message of all of them; 0: there is none */
  readonly expected: number;
};

/** Publishes token records. */
export class RecordPublisher {
  readonly #nc: NatsConnection;
  readonly #connection: Connection;
  readonly #inbox: AnswerInbox;
  readonly #outages: { close(): void };

  constructor(nc: NatsConnection, connection: Connection, inboxPrefix: string) {
    this.#nc = nc;
    this.#connection = connection;
    this.#inbox = new AnswerInbox(nc, inboxPrefix, PUBLISH_TIMEOUT_MS);
    // The answers of a lost connection are lost with it, so there is nothing to wait for.
    this.#outages = connection.onDisconnect(() => this.#inbox.failAll('connection lost'));
  }

  publish(subject: string, payload: string, { subjects, expected }: Fence): Promise<PublishOutcome> {
    // The library drops what is published while it is disconnected, or sends it late, without a word.
    if (!this.#connection.connected)
      return Promise.resolve({ type: 'unknown', detail: 'not connected', isOffline: true });
    const fence = headers();
    fence.set('Nats-Expected-Last-Subject-Sequence', String(expected));
    fence.set('Nats-Expected-Last-Subject-Sequence-Subject', subjects);
    return new Promise((settle) => {
      const asker = {
        answered: (message: Msg) => settle(outcomeOf(message)),
        unanswered: (detail: string) => settle({ type: 'unknown', detail }),
      };
      try {
        this.#inbox.publish({ subject, payload, headers: fence }, asker);
      } catch (error) {
        // Nothing was sent: the record is larger than the server takes, or the connection just closed.
        const type = this.#nc.isClosed() ? 'unknown' : 'limit';
        settle({ type, detail: (error as Error).message });
      }
    });
  }

  /** Idempotent. What is still unanswered resolves as unknown. */
  close(): void {
    this.#outages.close();
    this.#inbox.close();
  }
}

const outcomeOf = (message: Msg): PublishOutcome => {
  const answer = publishAnswerOf(message);
  if (answer.type === 'stored') return { type: 'stored', sequence: answer.sequence };
  if (answer.type === 'status') return { type: 'unknown', detail: `status ${answer.code ?? 'without code'}` };
  const detail = `${answer.code} ${answer.description}`.trim();
  const meaning = meaningOfCode(answer.code);
  if (meaning === 'conflict') return { type: 'wrong_sequence' };
  if (meaning === 'in_process') return { type: 'in_process' };
  return meaning === 'unavailable' ? { type: 'unknown', detail } : { type: 'limit', detail };
};
