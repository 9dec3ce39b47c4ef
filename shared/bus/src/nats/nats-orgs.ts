import type { JetStreamManager } from '@nats-io/jetstream';
import type { KV } from '@nats-io/kv';
import type { Org, OrgSettings } from '@sluice/protocol';
import type { Msg, NatsConnection } from 'nats';
import { parseOrgSettings } from '../messages.ts';
import type { Orgs } from '../orgs/orgs.ts';
import { BUCKETS, kvStream, liveOrgSubjects, orgOfSubject, orgSubject, orgSubjects } from '../subjects.ts';
import { subscribeNow } from './confirmed-subscription.ts';
import type { Inlet } from './confirmed-subscription.ts';
import { readLast } from './last-message.ts';
import { readLastMessages, sequenceOf, subjectOf } from './last-messages.ts';
import { compareAndSet } from './write.ts';

const STREAM = kvStream(BUCKETS.orgs);

type OrgsOptions = Inlet & { readonly inboxPrefix: string; readonly replicas: number };

export const createNatsOrgs = (
  nc: NatsConnection,
  jsm: JetStreamManager,
  bucket: KV,
  { inboxPrefix, replicas, border, onError }: OrgsOptions,
): Orgs => {
  /** Empty: the marker of a key that was deleted by hand. */
  const settingsIn = (text: string): OrgSettings =>
    text === '' ? {} : (border.read('org_settings', text, parseOrgSettings) ?? {});
  return {
    read: async (org) => {
      const message = await readLast(jsm, STREAM, orgSubject(org), replicas);
      return { settings: settingsIn(message?.string() ?? ''), rev: message?.seq ?? 0 };
    },
    write: async (org, settings, rev) =>
      (await compareAndSet(bucket, org, JSON.stringify(settings), rev)) !== undefined,
    list: async () => {
      const all = new Map<Org, OrgSettings>();
      for (let from = 1, isCut = true; isCut;) {
        const query = { stream: STREAM, subjects: [orgSubjects], replicas, from };
        const { messages, more } = await readLastMessages(nc, inboxPrefix, query);
        for (const message of messages) {
          const org = orgOfSubject(subjectOf(message));
          if (org !== undefined) all.set(org, settingsIn(message.string()));
          from = sequenceOf(message) + 1;
        }
        isCut = more;
      }
      return all;
    },
    onWrite: (listener) => {
      const onMessage = (message: Msg): void => {
        const org = orgOfSubject(message.subject);
        if (org !== undefined) listener(org, settingsIn(message.string()));
      };
      return subscribeNow(nc, liveOrgSubjects, onMessage, onError);
    },
  };
};
