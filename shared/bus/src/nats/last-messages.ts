import { createInbox } from 'nats';
import type { Msg, NatsConnection } from 'nats';
import { REQUEST_TIMEOUT_MS } from './connection/connection.ts';
import { AGAIN_MS, ASKS } from './last-message.ts';
import { BusRefusedError } from '../bus.ts';
import { busError, meaningOfCode } from './answer.ts';
import { NO_RESPONDERS } from './no-responders.ts';

/** The server refuses a listing of more subjects than this (413). */
const MAX_LISTED_SUBJECTS = 1024;

export type LastMessages = {
  readonly stream: string;
  /** may hold wildcards: the newest message of each subject that matches is read */
  readonly subjects: readonly string[];
  /** lowest stream sequence wanted; default 1 */
  readonly from?: number;
  /** the answer ends after this many messages, or once it exceeds this many bytes */
  readonly maxMessages?: number;
  readonly maxBytes?: number;
  /** of the stream; any of them may be the one that is asked, and may hang */
  readonly replicas: number;
  /** one subject after the other, see {@link listBatch} */
  readonly isScan?: boolean;
};

/**
 * `left` messages did not fit. `cut`: a message was replaced while it was read, so the rest is unread. `upTo`: newest
 * sequence of the replica that answered, where it says so.
 */
type Batch = {
  readonly messages: readonly Msg[];
  readonly left: number;
  readonly cut: boolean;
  readonly upTo: number | undefined;
};

export type LastMessagesFound = Pick<Batch, 'messages' | 'left' | 'upTo'> & {
  /** whether there are more; `left` is how many, at least */
  readonly more: boolean;
};

const MAX_CUTS = 20;

/**
 * Newest messages of many subjects, in stream order, with one request. The library's own call leaves
 * its subscription behind and fails when a message is replaced during the read, which is ordinary here.
 * @throws BusUnavailableError
 */
export const readLastMessages = async (
  nc: NatsConnection,
  inboxPrefix: string,
  query: LastMessages,
): Promise<LastMessagesFound> => {
  const { maxMessages = MAX_LISTED_SUBJECTS } = query;
  const newest = new Map<string, Msg>();
  let from = query.from ?? 1;
  try {
    for (let cuts = 0; cuts < MAX_CUTS; cuts += 1) {
      const room = maxMessages - newest.size;
      const batch = await listBatch(nc, inboxPrefix, { ...query, from, maxMessages: room });
      for (const message of batch.messages) {
        from = sequenceOf(message) + 1;
        const subject = subjectOf(message);
        // Replaced between two reads: only the later one counts, and it belongs at the end.
        newest.delete(subject);
        newest.set(subject, message);
      }
      const more = batch.cut || batch.left > 0;
      const { left, upTo } = batch;
      if (!batch.cut || newest.size >= maxMessages)
        return { messages: [...newest.values()], more, left, upTo };
    }
  } catch (error) {
    throw busError(`list of ${query.stream}`, error);
  }
  throw busError(`list of ${query.stream}`, new Error(`${MAX_CUTS} reads cut by writes`));
};

/** Subject of a message from a direct get; its own is the inbox. */
export const subjectOf = (message: Msg): string => message.headers?.get('Nats-Subject') ?? '';

/** Stream sequence of a message from a direct get or a republish. */
export const sequenceOf = (message: Msg): number => {
  const sequence = sequenceIn(message);
  if (sequence === undefined) throw new TypeError('expected a Nats-Sequence header, got none');
  return sequence;
};

/** The same, undefined where it has none: the server did not send it. */
export const sequenceIn = (message: Msg): number | undefined => numberIn(message, 'Nats-Sequence');

const numberIn = (message: Msg, header: string): number | undefined => {
  const value = Number(message.headers?.get(header));
  return Number.isSafeInteger(value) && value >= 1 ? value : undefined;
};

const errorOf = (status: number, description: string): Error => {
  const message = `status ${status} ${description}`;
  return meaningOfCode(status) === 'too_many' ? new BusRefusedError('too_many', message) : new Error(message);
};

/** Nobody answered in time. */
class NoAnswerError extends Error {}

/**
 * More subjects than one listing takes are read one after the other, in stream order: slower, but without a limit. The
 * streams that are listed keep one message for each subject.
 */
const listBatch = async (nc: NatsConnection, inboxPrefix: string, query: LastMessages): Promise<Batch> => {
  try {
    return await tryBatch(nc, inboxPrefix, query);
  } catch (error) {
    if (!(error instanceof BusRefusedError)) throw error;
    return tryBatch(nc, inboxPrefix, { ...query, isScan: true });
  }
};

/** Asks until somebody answers: a replica that hangs is asked as often as any other. */
const tryBatch = async (nc: NatsConnection, inboxPrefix: string, query: LastMessages): Promise<Batch> => {
  for (let tries = query.replicas === 1 ? ASKS : 1; ; tries += 1) {
    try {
      return await readBatch(nc, inboxPrefix, query);
    } catch (error) {
      if (tries >= ASKS || !(error instanceof NoAnswerError)) throw error;
    }
  }
};

/** A listing that was cut by a write; a scan finds what comes next, whatever is written. */
const isCut = (end: Msg, { isScan = false }: LastMessages): boolean =>
  !isScan && end.headers?.description.toLowerCase() !== 'no results';

const readBatch = (nc: NatsConnection, inboxPrefix: string, query: LastMessages): Promise<Batch> =>
  new Promise((resolve, reject) => {
    const { stream, subjects, from, maxMessages, maxBytes, isScan = false } = query;
    const inbox = createInbox(inboxPrefix);
    const messages: Msg[] = [];
    let left = 0;
    const close = (): void => {
      clearTimeout(timer);
      subscription.unsubscribe();
    };
    const failAfter = (ms: number): NodeJS.Timeout =>
      setTimeout(() => fail(new NoAnswerError(`no answer in ${ms} ms`)), ms);
    const finish = (cut: boolean, end: Msg): void => {
      close();
      resolve({ messages, left, cut, upTo: numberIn(end, 'Nats-UpTo-Sequence') });
    };
    const fail = (error: Error): void => {
      close();
      reject(error);
    };
    let timer = failAfter(query.replicas === 1 ? REQUEST_TIMEOUT_MS : AGAIN_MS);
    const onMessage = (error: Error | null | undefined, message: Msg): void => {
      if (error) return fail(error);
      const status = message.headers?.code ?? 0;
      if (status === 0) {
        if (messages.length === 0) {
          clearTimeout(timer);
          timer = failAfter(REQUEST_TIMEOUT_MS);
        }
        left = Number(message.headers?.get('Nats-Num-Pending'));
        messages.push(message);
      } else if (status === 204) finish(false, message);
      // Whoever is there when the time is up is asked again.
      else if (status === NO_RESPONDERS && query.replicas > 1) return;
      else if (status === 404) finish(isCut(message, query), message);
      else fail(errorOf(status, message.headers?.description ?? ''));
    };
    const subscription = nc.subscribe(inbox, { callback: onMessage });
    // One pattern is enough for a scan: only a wildcard names more subjects than the server lists.
    const which = isScan ? { next_by_subj: subjects[0] } : { multi_last: subjects };
    const request = { ...which, seq: from ?? 1, batch: maxMessages, max_bytes: maxBytes };
    nc.publish(`$JS.API.DIRECT.GET.${stream}`, JSON.stringify(request), { reply: inbox });
  });
