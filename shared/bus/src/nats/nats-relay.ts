import { createInbox, headers } from 'nats';
import type { Msg, NatsConnection } from 'nats';
import type { Relay } from '../relay.ts';
import { relaySubject } from '../subjects.ts';
import { subscribeNow } from './confirmed-subscription.ts';
import { busError } from './answer.ts';
import { NO_RESPONDERS, refuse } from './no-responders.ts';

/** An answer above this goes in several messages: NATS takes none above 1 MiB. Bytes. */
const MAX_PART_BYTES = 512 * 1024;
/** Marks every message of an answer but its last. */
const MORE = 'Sluice-More';

type RelayOptions = {
  readonly inboxPrefix: string;
  /** called with what an answer throws, or giving it */
  readonly onError: (error: Error) => void;
};

export const createNatsRelay = (nc: NatsConnection, { inboxPrefix, onError }: RelayOptions): Relay => ({
  ask: async (edge, question, timeoutMs) => {
    try {
      return await ask(nc, {
        subject: relaySubject(edge),
        inbox: createInbox(inboxPrefix),
        question,
        timeoutMs,
      });
    } catch (error) {
      throw busError('relay', error);
    }
  },
  serve: async (edge, answer) => {
    let open = true;
    const onMessage = (message: Msg): void => {
      if (!open) return refuse(message);
      // Giving it may fail too: the server may be told to take no messages of this size.
      answer(message.string())
        .then((text) => {
          if (text !== undefined) respond(message, text);
        })
        .catch(onError);
    };
    const subscription = await subscribeNow(nc, relaySubject(edge), onMessage, onError);
    return {
      close: () => {
        open = false;
        subscription.drain();
      },
    };
  },
});

type Question = {
  readonly subject: string;
  readonly inbox: string;
  readonly question: string;
  readonly timeoutMs: number;
};

const ask = (
  nc: NatsConnection,
  { subject, inbox, question, timeoutMs }: Question,
): Promise<string | undefined> =>
  new Promise((resolve, reject) => {
    const parts: Uint8Array[] = [];
    const close = (): void => {
      clearTimeout(timer);
      subscription.unsubscribe();
    };
    const fail = (error: Error): void => {
      close();
      reject(error);
    };
    const onMessage = (error: Error | null | undefined, message: Msg): void => {
      if (error) return fail(error);
      const isRefused = message.headers?.code === NO_RESPONDERS;
      parts.push(message.data);
      if (message.headers?.get(MORE)) return;
      close();
      resolve(isRefused ? undefined : Buffer.concat(parts).toString());
    };
    const subscription = nc.subscribe(inbox, { callback: onMessage });
    const timer = setTimeout(() => fail(new Error(`no answer in ${timeoutMs} ms`)), timeoutMs);
    try {
      nc.publish(subject, question, { reply: inbox });
    } catch (error) {
      fail(error as Error);
    }
  });

const respond = (message: Msg, text: string): void => {
  const bytes = Buffer.from(text);
  const more = headers();
  more.set(MORE, '1');
  let from = 0;
  for (; bytes.length - from > MAX_PART_BYTES; from += MAX_PART_BYTES)
    message.respond(bytes.subarray(from, from + MAX_PART_BYTES), { headers: more });
  message.respond(bytes.subarray(from));
};
