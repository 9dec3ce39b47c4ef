import type { JetStreamManager, StoredMsg } from '@nats-io/jetstream';
import type { KV } from '@nats-io/kv';
import type { SessionKey } from '@sluice/protocol';
import type { Msg, NatsConnection } from 'nats';
import type { Border } from '../border.ts';
import { isErased } from '../cards/erased.ts';
import { MAX_PAGE_BYTES, MAX_PAGE_ITEMS, RESTORE_MARK } from '../session-store.ts';
import type { BackwardPage, ItemBody, ItemPage, StoredItem, StoreState } from '../session-store.ts';
import type { StoredPrompt } from '../bodies/division.ts';
import type { RecordStore } from '../bodies/record-store.ts';
import { parsePrompt } from '../messages.ts';
import { itemParser } from '../stored-item.ts';
import { BUCKETS, itemKey, itemOfSubject, itemSubjects, kvStream } from '../subjects.ts';
import { readLast } from './last-message.ts';
import { busError } from './answer.ts';
import { backward } from './backward.ts';
import type { Entry, Found } from './backward.ts';
import { readLastMessages, sequenceOf, subjectOf } from './last-messages.ts';
import type { LastMessagesFound } from './last-messages.ts';
import { compareAndSet } from './write.ts';

const SESSIONS = kvStream(BUCKETS.sessions);
const PROMPTS = kvStream(BUCKETS.prompts);

type Buckets = { readonly sessions: KV; readonly prompts: KV };
type Reading = {
  readonly replicas: number;
  readonly inboxPrefix: string;
  /** where items and prompts that cannot be read are passed over */
  readonly border: Border;
};

export const createNatsRecordStore = (
  nc: NatsConnection,
  jsm: JetStreamManager,
  { sessions, prompts }: Buckets,
  reading: Reading,
): RecordStore => {
  const readItem = async (key: string): Promise<StoredItem | undefined> => {
    const message = await readLast(jsm, SESSIONS, `$KV.${BUCKETS.sessions}.${key}`, reading.replicas);
    if (message === undefined || isErased(message.string())) return undefined;
    return storedOf(message.string(), message.subject, message.seq, reading);
  };
  const readPrompt = (key: string): Promise<StoredMsg | undefined> =>
    readLast(jsm, PROMPTS, `$KV.${BUCKETS.prompts}.${key}`, reading.replicas);
  /** None where it was erased. */
  const entryIn = (message: StoredMsg): StoredPrompt | undefined =>
    isErased(message.string()) ? undefined : reading.border.read('prompt', message.string(), parsePrompt);
  const newestRev = async (key: SessionKey): Promise<number> =>
    (await readLast(jsm, SESSIONS, itemSubjects(key), reading.replicas))?.seq ?? 0;
  return {
    createPrompt: async (key, entry) => {
      const id = itemKey(key, key.generation);
      if ((await compareAndSet(prompts, id, JSON.stringify(entry), 0)) !== undefined)
        return { created: true, entry };
      const known = await readPrompt(id);
      if (known === undefined) throw busError('read of a prompt', new Error('nothing where one exists'));
      return { created: false, entry: entryIn(known) };
    },
    prompt: async (key) => {
      const message = await readPrompt(itemKey(key, key.generation));
      return message && entryIn(message);
    },
    createItem: (key, item) => compareAndSet(sessions, itemKeyOf(key, item), JSON.stringify(item), 0),
    item: (key, id) => readItem(itemKey(key, id)),
    updateItem: async (key, item, rev) => {
      const id = itemKeyOf(key, item);
      const body = JSON.stringify(item);
      const next = await compareAndSet(sessions, id, body, rev);
      if (next !== undefined) return next;
      // Refused: either somebody was faster, or it was ourselves in a try whose answer got lost.
      const found = await readItem(id);
      return found !== undefined && JSON.stringify(found.item) === body ? found.rev : undefined;
    },
    items: async (key, since) => {
      const atLeast = reading.replicas === 1 ? 0 : await newestRev(key);
      return readPage(nc, key, { ...reading, since, atLeast });
    },
    newestRev,
    backward: async function* (key) {
      const atLeast = await newestRev(key);
      yield* readBackward(nc, key, { ...reading, atLeast });
    },
    store: () => readStore(jsm),
  };
};

const readStore = async (jsm: JetStreamManager): Promise<StoreState> => {
  try {
    const { created, config, state } = await jsm.streams.info(SESSIONS);
    const mark = config.metadata?.[RESTORE_MARK] ?? '';
    const name = [Date.parse(created).toString(36), mark.replace(/[^\w-]/g, '_')].filter(Boolean).join('-');
    return { store: name.slice(0, 64), rev: state.last_seq };
  } catch (error) {
    throw busError('look at the store', error);
  }
};

/** The item of one message; undefined where that cannot be read, which is told. */
const storedOf = (
  json: string,
  subject: string,
  rev: number,
  { border }: Reading,
): StoredItem | undefined => {
  const item = border.read('item', json, itemParser(itemOfSubject(subject)));
  return item && { rev, item };
};

const listed = (message: Msg, reading: Reading): StoredItem | readonly never[] =>
  (isErased(message.string())
    ? undefined
    : storedOf(message.string(), subjectOf(message), sequenceOf(message), reading)) ?? [];

const itemKeyOf = (key: SessionKey, { id }: ItemBody): string => itemKey(key, id as never);

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** `atLeast`: the newest rev of the session as the leader knows it: a replica that lags is asked again. */
type ItemReading = Reading & { readonly atLeast: number };
type PageRequest = ItemReading & { readonly since: number };
/** Which items to read of a session; `reaches`: whether the replica that found these has all that is wanted. */
type ItemQuery = {
  readonly from: number;
  readonly maxMessages: number;
  readonly reaches: (found: LastMessagesFound) => boolean;
};

const LAG_WAIT_MS = 20;
const LAG_TRIES = 50;

/** The newest message of every item of the session, in order of rev, with one request. */
const readItems = async (
  nc: NatsConnection,
  key: SessionKey,
  { inboxPrefix, replicas }: Reading,
  { from, maxMessages, reaches }: ItemQuery,
): Promise<LastMessagesFound> => {
  for (let tries = 1; ; tries += 1) {
    const found = await readLastMessages(nc, inboxPrefix, {
      ...{ stream: SESSIONS, subjects: [itemSubjects(key)], from, replicas },
      ...{ maxMessages, maxBytes: MAX_PAGE_BYTES },
    });
    if (reaches(found)) return found;
    if (tries >= LAG_TRIES) throw busError('list of a session', new Error('replicas that lag'));
    await pause(LAG_WAIT_MS);
  }
};

/** Also where the last one cannot be read: who asks for what comes later shall not wait for it. */
const lastRevOf = ({ messages }: LastMessagesFound): number | undefined => {
  const last = messages.at(-1);
  return last && sequenceOf(last);
};

const readPage = async (nc: NatsConnection, key: SessionKey, request: PageRequest): Promise<ItemPage> => {
  const { since, atLeast } = request;
  const reaches = (found: LastMessagesFound): boolean => found.more || (lastRevOf(found) ?? since) >= atLeast;
  const query = { from: since + 1, maxMessages: MAX_PAGE_ITEMS, reaches };
  const found = await readItems(nc, key, request, query);
  const items = found.messages.flatMap((each) => listed(each, request));
  const erased = found.messages
    .filter((each) => isErased(each.string()))
    .map((each) => ({ rev: sequenceOf(each), id: itemOfSubject(subjectOf(each)) }));
  return { items, erased, rev: lastRevOf(found) ?? since, more: found.more };
};

type ItemEntry = Entry & { readonly message: Msg };

async function* readBackward(
  nc: NatsConnection,
  key: SessionKey,
  reading: ItemReading,
): AsyncGenerator<BackwardPage> {
  const { atLeast, replicas } = reading;
  // A listing of very many items, read one after the other, does not say how far its replica is.
  const reaches = ({ upTo, messages }: LastMessagesFound): boolean =>
    replicas === 1 || (upTo ?? (messages.length === 0 ? 0 : Infinity)) >= atLeast;
  const read = async (from: number, maxMessages: number): Promise<Found<ItemEntry>> => {
    const { messages, left } = await readItems(nc, key, reading, { from, maxMessages, reaches });
    const entries = messages.map((message) => ({
      ...{ sequence: sequenceOf(message), bytes: message.data.length },
      message,
    }));
    return { entries, left };
  };
  for await (const { entries, older } of backward(read, atLeast))
    yield { items: entries.flatMap(({ message }) => listed(message, reading)), older };
}
