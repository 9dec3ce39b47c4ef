import type { JetStreamClient } from '@nats-io/jetstream';
import type { NatsConnection } from 'nats';
import { dayOf } from '@sluice/core';
import type { Border } from '../border.ts';
import { parseUsageRecord } from '../messages.ts';
import { STREAMS, usageSubject, usageSubjects } from '../subjects.ts';
import { MAX_USAGE_PAGE } from '../usage-ledger.ts';
import type { UsageLedger } from '../usage-ledger.ts';
import { busError, isThereAlready } from './answer.ts';
import { readLastMessages, sequenceOf } from './last-messages.ts';
import { retryUnstored } from './write.ts';

type Reading = { readonly replicas: number; readonly inboxPrefix: string; readonly border: Border };

export const createNatsUsageLedger = (
  nc: NatsConnection,
  js: JetStreamClient,
  { replicas, inboxPrefix, border }: Reading,
): UsageLedger => ({
  append: async (key, record) => {
    const subject = usageSubject(key, dayOf(record.endedAt));
    try {
      await retryUnstored(() => js.publish(subject, JSON.stringify(record)));
    } catch (error) {
      if (!isThereAlready(error)) throw busError('record of the ledger', error);
    }
  },
  read: async (org, day, after = 0) => {
    const { messages, more } = await readLastMessages(nc, inboxPrefix, {
      ...{ stream: STREAMS.usage, subjects: [usageSubjects(org, day)], replicas },
      ...{ from: after + 1, maxMessages: MAX_USAGE_PAGE, isScan: true },
    });
    const records = messages.flatMap(
      (message) => border.read('usage', message.string(), parseUsageRecord) ?? [],
    );
    const last = messages.at(-1);
    return { records, last: last === undefined ? after : sequenceOf(last), more };
  },
});
