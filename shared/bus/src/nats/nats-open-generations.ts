import type { JetStreamClient } from '@nats-io/jetstream';
import type { NatsConnection } from 'nats';
import { MAX_OPEN_PAGE } from '../session-store.ts';
import type { OpenGenerations } from '../session-store.ts';
import { STREAMS, openKeyOf, openSubject, openSubjects, openSubjectsOf } from '../subjects.ts';
import { busError, meaningOf } from './answer.ts';
import { readLastMessages, sequenceOf, subjectOf } from './last-messages.ts';
import { retryUnstored } from './write.ts';

/** Nobody may delete from a stream: an empty message takes an entry's place, and expires after this long. */
const REMOVAL_TTL = '1s';

export const createNatsOpenGenerations = (
  nc: NatsConnection,
  js: JetStreamClient,
  { inboxPrefix, replicas }: { readonly inboxPrefix: string; readonly replicas: number },
): OpenGenerations => ({
  add: async (key) => {
    try {
      await retryUnstored(() => js.publish(openSubject(key), '{}'));
    } catch (error) {
      throw busError('list a generation as open', error);
    }
  },
  remove: async (key, entry) => {
    const expect = entry === undefined ? {} : { expect: { lastSubjectSequence: entry } };
    try {
      await retryUnstored(() => js.publish(openSubject(key), '', { ttl: REMOVAL_TTL, ...expect }));
    } catch (error) {
      if (meaningOf(error) !== 'conflict') throw busError('take a generation off the open ones', error);
    }
  },
  list: async (after = 0, org) => {
    const { messages, more } = await readLastMessages(nc, inboxPrefix, {
      ...{
        stream: STREAMS.open,
        subjects: [org === undefined ? openSubjects : openSubjectsOf(org)],
        replicas,
      },
      ...{ from: after + 1, maxMessages: MAX_OPEN_PAGE, isScan: true },
    });
    const open = messages.flatMap((message) => {
      // A name that is none of ours belongs to no generation.
      const key = message.data.length === 0 ? undefined : openKeyOf(subjectOf(message));
      return key === undefined ? [] : { key, entry: sequenceOf(message) };
    });
    const last = messages.at(-1);
    return { open, next: more && last !== undefined ? sequenceOf(last) : undefined };
  },
});
