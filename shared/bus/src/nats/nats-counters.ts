import { randomUUID } from 'node:crypto';
import { JetStreamApiError } from '@nats-io/jetstream';
import type { JetStreamManager } from '@nats-io/jetstream';
import { errors, headers } from 'nats';
import type { Msg, NatsConnection } from 'nats';
import type { Border } from '../border.ts';
import { BusUnavailableError } from '../bus.ts';
import { CombinedAdditions } from '../combined-additions.ts';
import type { CounterName, Counters } from '../counters.ts';
import { parseCounter } from '../messages.ts';
import { STREAMS, counterSubject, sessionByteSubjects } from '../subjects.ts';
import { busError } from './answer.ts';
import { AnswerInbox } from './answer-inbox.ts';
import type { Question } from './answer-inbox.ts';
import { readLast } from './last-message.ts';
import { readLastMessages, sequenceOf } from './last-messages.ts';
import type { LastMessages } from './last-messages.ts';
import { UnservedError } from './no-responders.ts';
import { publishAnswerOf } from './publish-answer.ts';
import { retryUnstored } from './write.ts';

const streamOf = ({ minute }: Pick<CounterName, 'minute'>): string =>
  minute === undefined ? STREAMS.counters : STREAMS.rates;
/** An increment without an answer after this long is sent once more. */
const TIMEOUT_MS = 1_000;
/** How often a counter may vanish while it is begun. */
const MAX_VANISHED = 3;

type Reading = { readonly replicas: number; readonly inboxPrefix: string; readonly border: Border };
/** `seq`: of the message that holds it */
type Stored = { readonly value: bigint; readonly seq: number; readonly at: number };

/** Counters of a stream with `allow_msg_counter`: the server adds, and answers each increment with the value then. */
export const createNatsCounters = (
  nc: NatsConnection,
  jsm: JetStreamManager,
  { replicas, inboxPrefix, border }: Reading,
): Counters & { close(): void } => {
  // A prompt is counted a dozen times: the library's own `publish` would be half of what it costs an edge.
  const inbox = new AnswerInbox(nc, inboxPrefix, TIMEOUT_MS);
  const valueIn = (text: string): bigint => BigInt(border.read('counter', text, parseCounter)?.val ?? 0);
  const read = async (name: CounterName): Promise<Stored | undefined> => {
    const message = await readLast(jsm, streamOf(name), counterSubject(name), replicas);
    return message && { value: valueIn(message.string()), seq: message.seq, at: message.time.getTime() };
  };
  /** @returns the value then; undefined: something was added under this id before */
  const increment = async (subject: string, delta: bigint, id: string): Promise<bigint | undefined> => {
    const fields = headers();
    fields.set('Nats-Incr', delta < 0n ? `${delta}` : `+${delta}`);
    fields.set('Nats-Msg-Id', id);
    const publish = () => added(inbox, { subject, payload: '', headers: fields });
    try {
      // The same id again: it counts once, also where the first one was only slow.
      const { isDuplicate, text } = await retryUnstored(() => publish().catch(onTimeout(publish)));
      return isDuplicate ? undefined : valueIn(text);
    } catch (error) {
      throw busError('counter', error);
    }
  };
  const begin = async (name: CounterName, value: bigint): Promise<boolean> => {
    const subject = counterSubject(name);
    // Counters that begin at the same time share their ids, hence one counts. A second id where the counter that began a
    // moment ago is gone again, such as by a purge.
    for (let tries = 0; tries < MAX_VANISHED; tries += 1) {
      if ((await increment(subject, value, `begin.${subject}.${tries}`)) !== undefined) return true;
      if ((await read(name)) !== undefined) return false;
    }
    throw new BusUnavailableError('counter: expected it to stay, it vanished three times');
  };
  const additions = new CombinedAdditions(async (name, delta, once) => {
    const subject = counterSubject(name);
    const id = once === undefined ? randomUUID() : `${subject}.${once}`;
    const value = await increment(subject, BigInt(delta), id);
    return Number(value ?? (await read(name))?.value ?? 0n);
  });
  return {
    add: (name, delta, once) => additions.add(name, delta, once),
    read: async (name) => {
      const stored = await read(name);
      return stored && { value: Number(stored.value), seq: stored.seq };
    },
    begin: (name, value) => begin(name, BigInt(value)),
    correct: async (name, { value, seq, restMs }) => {
      const subject = counterSubject(name);
      const [stored, now] = await Promise.all([read(name), restMs === 0 ? Infinity : serverTime(jsm)]);
      if (stored?.seq !== seq || now - stored.at < restMs) return false;
      const by = BigInt(value) - stored.value;
      return (await increment(subject, by, `correct.${subject}.${seq}`)) !== undefined;
    },
    close: () => inbox.close(),
    storedBytes: async (org, user) => {
      let sum = 0n;
      const query = { stream: STREAMS.counters, subjects: [sessionByteSubjects(org, user)], replicas };
      await eachLast(nc, query, inboxPrefix, (text) => void (sum += valueIn(text)));
      return Number(sum);
    },
  };
};

/** @throws what the library's `publish` throws */
const added = async (
  inbox: AnswerInbox,
  question: Question,
): Promise<{ readonly isDuplicate: boolean; readonly text: string }> => {
  const message = await new Promise<Msg>((resolve, reject) =>
    inbox.publish(question, {
      answered: resolve,
      unanswered: (detail) => reject(new errors.TimeoutError({ cause: detail })),
    }),
  );
  const answer = publishAnswerOf(message);
  if (answer.type === 'stored') return { isDuplicate: answer.isDuplicate, text: message.string() };
  const { code } = answer;
  if (answer.type === 'status') throw new UnservedError(`status ${code ?? 'without code'}`);
  throw new JetStreamApiError({ code: 0, err_code: answer.code, description: answer.description });
};

const onTimeout =
  <Result>(again: () => Promise<Result>) =>
  (error: unknown): Promise<Result> => {
    if (error instanceof errors.TimeoutError) return again();
    throw error;
  };

/** The newest message of each subject, however many there are. */
const eachLast = async (
  nc: NatsConnection,
  query: LastMessages,
  inboxPrefix: string,
  take: (text: string) => void,
): Promise<void> => {
  for (let from = 1, isCut = true; isCut;) {
    const { messages, more } = await readLastMessages(nc, inboxPrefix, { ...query, from });
    for (const message of messages) {
      take(message.string());
      from = sequenceOf(message) + 1;
    }
    isCut = more;
  }
};

/** Of the server that stores the counters: the clocks of edges may differ. */
const serverTime = async (jsm: JetStreamManager): Promise<number> => {
  try {
    return Date.parse((await jsm.streams.info(STREAMS.counters)).ts ?? '') || 0;
  } catch (error) {
    throw busError('time of the counters', error);
  }
};
