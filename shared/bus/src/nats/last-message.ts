import type { JetStreamManager, MsgRequest, NextMsgRequest, StoredMsg } from '@nats-io/jetstream';
import { errors } from 'nats';
import { busError } from './answer.ts';

/** With replicas, an answer that has not come after this long is asked for again, ms: another one may give it. */
export const AGAIN_MS = 500;
/** How often in all. */
export const ASKS = 4;

/** The library's type leaves out what the server takes too. */
type LeaderRequest = MsgRequest | (MsgRequest & NextMsgRequest);

/**
 * Only the leader answers a request to it, and around an election nobody feels asked: what was asked then is never
 * answered. So it is asked again, and the first answer counts, also one to an earlier request that was only slow.
 */
const askLeader = (jsm: JetStreamManager, stream: string, query: LeaderRequest): Promise<StoredMsg | null> =>
  new Promise((resolve, reject) => {
    let asked = 0;
    let failed = 0;
    const answered = (message: StoredMsg | null): void => {
      clearInterval(timer);
      resolve(message);
    };
    const unanswered = (error: Error): void => {
      failed += 1;
      if (failed < ASKS && !(error instanceof errors.ClosedConnectionError)) return;
      clearInterval(timer);
      reject(error);
    };
    const ask = (): void => {
      asked += 1;
      if (asked === ASKS) clearInterval(timer);
      jsm.streams.getMessage(stream, query).then(answered, unanswered);
    };
    const timer = setInterval(ask, AGAIN_MS);
    ask();
  });

/**
 * The newest message of a subject. With several replicas a direct get may answer from one that lags,
 * so what a decision rests on is read through the leader; a single server is its own leader and the
 * direct get costs it less.
 */
export const readLast = async (
  jsm: JetStreamManager,
  stream: string,
  subject: string,
  replicas: number,
): Promise<StoredMsg | undefined> => {
  try {
    const query = { last_by_subj: subject };
    const reading = replicas === 1 ? jsm.direct.getMessage(stream, query) : askLeader(jsm, stream, query);
    return (await reading) ?? undefined;
  } catch (error) {
    throw busError(`read of ${stream}`, error);
  }
};

/** The first message of a subject at or after a sequence, as the leader has it. @throws BusUnavailableError */
export const readNext = async (
  jsm: JetStreamManager,
  stream: string,
  query: { readonly subject: string; readonly from: number },
): Promise<StoredMsg | undefined> => {
  try {
    return (await askLeader(jsm, stream, { seq: query.from, next_by_subj: query.subject })) ?? undefined;
  } catch (error) {
    throw busError(`read of ${stream}`, error);
  }
};
