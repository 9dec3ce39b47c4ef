import type { JetStreamClient } from '@nats-io/jetstream';
import type { StoredRevocation } from '@sluice/core';
import type { Msg, NatsConnection } from 'nats';
import type { Border } from '../../border.ts';
import { parseRevocation } from '../../messages.ts';
import type { Revocations } from '../../revocations.ts';
import {
  BUCKETS,
  kvStream,
  liveRevocationSubjects,
  revocationSubject,
  revocationSubjects,
} from '../../subjects.ts';
import { busError } from '../answer.ts';
import { subscribeNow } from '../confirmed-subscription.ts';
import type { Inlet } from '../confirmed-subscription.ts';
import { readLastMessages, sequenceIn, sequenceOf } from '../last-messages.ts';
import { retryUnstored } from '../write.ts';

type RevocationOptions = Inlet & { readonly inboxPrefix: string; readonly replicas: number };

/** The server takes whole seconds, and no fewer than one. */
const ttlOf = (expiresAt: number): string => `${Math.max(1, Math.ceil((expiresAt - Date.now()) / 1_000))}s`;

export const createNatsRevocations = (
  nc: NatsConnection,
  js: JetStreamClient,
  { inboxPrefix, replicas, border, onError }: RevocationOptions,
): Revocations => ({
  put: async (revocation) => {
    const text = JSON.stringify(revocation);
    const ttl = ttlOf(revocation.expiresAt);
    try {
      await retryUnstored(() => js.publish(revocationSubject(revocation), text, { ttl }));
    } catch (error) {
      throw busError('store a revocation', error);
    }
  },
  list: async () => {
    const revocations: StoredRevocation[] = [];
    for (let from = 1; ;) {
      const query = { stream: kvStream(BUCKETS.revoked), subjects: [revocationSubjects], replicas, from };
      const { messages, more, upTo = 0 } = await readLastMessages(nc, inboxPrefix, query);
      revocations.push(...messages.flatMap((message) => readOne(border, message) ?? []));
      const last = messages.at(-1);
      if (last !== undefined) from = sequenceOf(last) + 1;
      if (!more || last === undefined) return { revocations, upTo: Math.max(upTo, from - 1) };
    }
  },
  watch: (listener) => {
    const onMessage = (message: Msg): void => {
      const revocation = readOne(border, message);
      if (revocation !== undefined) listener(revocation);
    };
    return subscribeNow(nc, liveRevocationSubjects, onMessage, onError);
  },
});

/** Without a sequence the server has not stored it: a live one is told as foreign. */
const readOne = (border: Border, message: Msg): StoredRevocation | undefined => {
  const rev = sequenceIn(message);
  const text = rev === undefined ? '' : message.string();
  const revocation = border.read('revocation', text, parseRevocation);
  return revocation === undefined || rev === undefined ? undefined : { ...revocation, rev };
};
