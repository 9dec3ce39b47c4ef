import type { JetStreamManager, StoredMsg } from '@nats-io/jetstream';
import type { KV } from '@nats-io/kv';
import type { SessionKey } from '@sluice/protocol';
import { MAX_PAGE_BYTES, MAX_PAGE_ITEMS } from '../session-store.ts';
import type { ItemBody, ItemPage, PromptEntry, SessionStore, StoredItem } from '../session-store.ts';
import { BUCKETS, itemKey, itemSubjects, kvStream } from '../subjects.ts';
import { isWrongSequence, readLast, unavailable } from './last-message.ts';

const SESSIONS = kvStream(BUCKETS.sessions);
const PROMPTS = kvStream(BUCKETS.prompts);

type Buckets = { readonly sessions: KV; readonly prompts: KV };

export const createNatsSessionStore = (
  jsm: JetStreamManager,
  { sessions, prompts }: Buckets,
  replicas: number,
): SessionStore => {
  const readItem = async (key: string): Promise<StoredItem | undefined> => {
    const message = await readLast(jsm, SESSIONS, `$KV.${BUCKETS.sessions}.${key}`, replicas);
    return message === undefined ? undefined : toStoredItem(message);
  };
  const readPrompt = async (key: string): Promise<PromptEntry | undefined> => {
    const message = await readLast(jsm, PROMPTS, `$KV.${BUCKETS.prompts}.${key}`, replicas);
    return message?.json<PromptEntry>();
  };
  return {
    createPrompt: async (key, entry) => {
      const id = itemKey(key, key.generation);
      const rev = await write('store a prompt', () => prompts.create(id, JSON.stringify(entry)));
      if (rev !== undefined) return { created: true, entry };
      const known = await readPrompt(id);
      if (known === undefined) throw unavailable('read of a prompt', new Error('nothing where one exists'));
      return { created: false, entry: known };
    },
    prompt: (key) => readPrompt(itemKey(key, key.generation)),
    createItem: (key, item) =>
      write('store an item', () => sessions.create(itemKey(key, item.id as never), JSON.stringify(item))),
    item: (key, id) => readItem(itemKey(key, id)),
    updateItem: async (key, item, rev) => {
      const id = itemKey(key, item.id as never);
      const body = JSON.stringify(item);
      const next = await write('update an item', () => sessions.update(id, body, rev));
      if (next !== undefined) return next;
      // Refused: either somebody was faster, or it was ourselves in a try whose answer got lost.
      const found = await readItem(id);
      return found !== undefined && JSON.stringify(found.item) === body ? found.rev : undefined;
    },
    items: (key, since) => readPage(jsm, key, since),
  };
};

/** Runs a compare-and-set; undefined when it was refused. @throws BusUnavailableError */
const write = async (what: string, run: () => Promise<number>): Promise<number | undefined> => {
  try {
    return await run();
  } catch (error) {
    if (isWrongSequence(error)) return undefined;
    throw unavailable(what, error);
  }
};

const toStoredItem = (message: StoredMsg): StoredItem => ({
  rev: message.seq,
  item: message.json<ItemBody>(),
});

/** The last message of every item of the session, in order of rev, with one request. */
const readPage = async (jsm: JetStreamManager, key: SessionKey, since: number): Promise<ItemPage> => {
  const items: StoredItem[] = [];
  let more = false;
  try {
    const messages = await jsm.direct.getLastMessagesFor(SESSIONS, {
      multi_last: [itemSubjects(key)],
      seq: since + 1,
      batch: MAX_PAGE_ITEMS,
      max_bytes: MAX_PAGE_BYTES,
    } as never);
    for await (const message of messages) {
      items.push(toStoredItem(message));
      more = (message as unknown as { pending: number }).pending > 0;
    }
  } catch (error) {
    throw unavailable('list of a session', error);
  }
  return { items, rev: items.at(-1)?.rev ?? since, more };
};
