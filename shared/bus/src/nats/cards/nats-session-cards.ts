import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream';
import type { Msg, NatsConnection } from 'nats';
import type { Border } from '../../border.ts';
import { parseCard } from '../../messages.ts';
import type { ErasureMark, SessionCards, StoredCard } from '../../cards/session-cards.ts';
import {
  cardSubject,
  eraseSubject,
  eraseSubjects,
  orgCardSubjects,
  sessionOfSubject,
  STREAMS,
} from '../../subjects.ts';
import { busError, meaningOf } from '../answer.ts';
import { backward } from '../backward.ts';
import type { Entry, Found, Page, ReadFrom } from '../backward.ts';
import { readLast } from '../last-message.ts';
import { readLastMessages, sequenceOf, subjectOf } from '../last-messages.ts';
import type { LastMessages } from '../last-messages.ts';
import { retryUnstored, ttlOf } from '../write.ts';

const STREAM = STREAMS.cards;
/** A mark that is taken off leaves by itself after this long, ms. */
const REMOVAL_TTL_MS = 1_000;

type Reading = { readonly replicas: number; readonly inboxPrefix: string; readonly border: Border };
type CardEntry = Entry & { readonly message: Msg };

export const createNatsSessionCards = (
  nc: NatsConnection,
  js: JetStreamClient,
  jsm: JetStreamManager,
  reading: Reading,
): SessionCards => {
  const { replicas, inboxPrefix, border } = reading;
  const stored = (rev: number, text: string): StoredCard | undefined => {
    const card = border.read('card', text, parseCard);
    return card && { rev, card };
  };
  const publish = async (subject: string, text: string, options: object): Promise<number | undefined> => {
    try {
      return (await retryUnstored(() => js.publish(subject, text, options))).seq;
    } catch (error) {
      if (meaningOf(error) === 'conflict') return undefined;
      throw busError('write of a card', error);
    }
  };
  return {
    read: async (key) => {
      const message = await readLast(jsm, STREAM, cardSubject(key), replicas);
      return message && stored(message.seq, message.string());
    },
    write: (key, card, { rev, ttlMs }) =>
      publish(cardSubject(key), JSON.stringify(card), {
        expect: { lastSubjectSequence: rev },
        ...ttlOf(ttlMs),
      }),
    list: async (org, before = Infinity) => {
      const subject = orgCardSubjects(org);
      const newest = (await readLast(jsm, STREAM, subject, replicas))?.seq ?? 0;
      const read = (from: number, maxMessages: number): Promise<Found<CardEntry>> =>
        readEntries(nc, { stream: STREAM, subjects: [subject], from, maxMessages, replicas }, inboxPrefix);
      const pages = backward(readBefore(read, before), Math.min(newest, before - 1));
      const first = await pages.next();
      const page: Page<CardEntry> = first.done === true ? { entries: [], older: 0 } : first.value;
      const { entries, older } = page;
      const cards = entries.flatMap(({ sequence, message }) => {
        const key = sessionOfSubject(subjectOf(message));
        const found = stored(sequence, message.string());
        return key === undefined || found === undefined ? [] : { ...found, key };
      });
      return { cards, next: older > 0 ? entries.at(-1)?.sequence : undefined };
    },
    mark: async (key) => void (await publish(eraseSubject(key), '{}', {})),
    unmark: async ({ key, entry }) =>
      void (await publish(eraseSubject(key), '', {
        expect: { lastSubjectSequence: entry },
        ...ttlOf(REMOVAL_TTL_MS),
      })),
    marks: () => readMarks(nc, replicas, inboxPrefix),
  };
};

const readEntries = async (
  nc: NatsConnection,
  query: LastMessages,
  inboxPrefix: string,
): Promise<Found<CardEntry>> => {
  const { messages, left } = await readLastMessages(nc, inboxPrefix, query);
  const entries = messages.map((message) => ({
    ...{ sequence: sequenceOf(message), bytes: message.data.length },
    message,
  }));
  return { entries, left };
};

/** The same as if there were nothing from a sequence on. A page of cards is never cut for its bytes. */
const readBefore =
  <Each extends Entry>(read: ReadFrom<Each>, before: number): ReadFrom<Each> =>
  async (from, most) => {
    const found = await read(from, most);
    const entries = found.entries.filter(({ sequence }) => sequence < before);
    if (entries.length < most || before === Infinity)
      return { entries, left: entries.length < most ? 0 : found.left };
    const newer = await read(before, 1);
    return { entries, left: Math.max(0, found.left - newer.entries.length - newer.left) };
  };

const readMarks = async (
  nc: NatsConnection,
  replicas: number,
  inboxPrefix: string,
): Promise<readonly ErasureMark[]> => {
  const query = { stream: STREAM, subjects: [eraseSubjects], replicas, isScan: true };
  const { messages } = await readLastMessages(nc, inboxPrefix, query);
  return messages.flatMap((message) => {
    const key = message.data.length === 0 ? undefined : sessionOfSubject(subjectOf(message));
    return key === undefined ? [] : { key, entry: sequenceOf(message) };
  });
};
