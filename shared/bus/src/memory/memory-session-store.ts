import type { SessionKey } from '@sluice/protocol';
import type { RecordStore } from '../bodies/record-store.ts';
import type { Border } from '../border.ts';
import { isErased } from '../cards/erased.ts';
import { parsePrompt } from '../messages.ts';
import { MAX_PAGE_BYTES, MAX_PAGE_ITEMS } from '../session-store.ts';
import type { ErasedItem, ItemPage, StoredItem } from '../session-store.ts';
import { itemParser } from '../stored-item.ts';
import { itemKey, itemOfSubject } from '../subjects.ts';
import { putItem } from './memory-hub.ts';
import type { MemoryHub } from './memory-hub.ts';

export const memoryRecords = (hub: MemoryHub, border: Border): RecordStore => {
  const itemAt = (path: string): StoredItem | undefined => {
    const stored = hub.items.get(path);
    if (stored === undefined || isErased(stored.text)) return undefined;
    const item = border.read('item', stored.text, itemParser(itemOfSubject(path)));
    return item && { rev: stored.rev, item };
  };
  const promptAt = (path: string) => {
    const text = hub.prompts.get(path);
    return text === undefined || isErased(text) ? undefined : border.read('prompt', text, parsePrompt);
  };
  return {
    createPrompt: (key, entry) => {
      const path = itemKey(key, key.generation);
      if (hub.prompts.has(path)) return Promise.resolve({ created: false, entry: promptAt(path) });
      hub.prompts.set(path, JSON.stringify(entry));
      return Promise.resolve({ created: true, entry });
    },
    prompt: (key) => Promise.resolve(promptAt(itemKey(key, key.generation))),
    createItem: (key, body) => {
      const path = pathOf(key, body);
      return Promise.resolve(hub.items.has(path) ? undefined : putItem(hub, path, JSON.stringify(body)));
    },
    item: (key, id) => Promise.resolve(itemAt(itemKey(key, id))),
    updateItem: (key, body, rev) => {
      const path = pathOf(key, body);
      const text = JSON.stringify(body);
      const known = hub.items.get(path);
      if (known?.rev === rev) return Promise.resolve(putItem(hub, path, text));
      // A repeat whose first answer got lost is a success, as on NATS.
      return Promise.resolve(known?.text === text ? known.rev : undefined);
    },
    items: (key, since) => Promise.resolve(pageOf({ hub, itemAt }, prefixOf(key), since)),
    newestRev: (key) => Promise.resolve(revsOf(hub, key)[0]?.rev ?? 0),
    store: () => Promise.resolve({ store: hub.store, rev: hub.rev }),
    backward: async function* (key) {
      const row = revsOf(hub, key);
      for (let read = 0; read < row.length;) {
        const paths = row.slice(read, read + MAX_PAGE_ITEMS);
        read += paths.length;
        yield { items: paths.flatMap(({ path }) => itemAt(path) ?? []), older: row.length - read };
      }
    },
  };
};

const prefixOf = ({ org, session }: SessionKey): string => `${org}.${session}.`;

/** Where a session's items are, newest change first. */
const revsOf = (hub: MemoryHub, key: SessionKey): { readonly path: string; readonly rev: number }[] =>
  [...hub.items]
    .flatMap(([path, { rev }]) => (path.startsWith(prefixOf(key)) ? { path, rev } : []))
    .toReversed();

const pathOf = ({ org, session }: SessionKey, { id }: { readonly id: string }): string =>
  `${org}.${session}.${id}`;

type Reading = {
  readonly hub: MemoryHub;
  readonly itemAt: (path: string) => StoredItem | undefined;
};

/** As on NATS, the page is bounded by what was read, of which some may be no items. */
const pageOf = ({ hub, itemAt }: Reading, prefix: string, since: number): ItemPage => {
  const items: StoredItem[] = [];
  const erased: ErasedItem[] = [];
  let read = 0;
  let bytes = 0;
  let rev = since;
  let more = false;
  for (const [path, stored] of hub.items) {
    if (!path.startsWith(prefix) || stored.rev <= since) continue;
    more = read >= MAX_PAGE_ITEMS || bytes > MAX_PAGE_BYTES;
    if (more) break;
    read += 1;
    bytes += stored.text.length;
    ({ rev } = stored);
    if (isErased(stored.text)) erased.push({ rev, id: itemOfSubject(path) });
    const item = itemAt(path);
    if (item !== undefined) items.push(item);
  }
  return { items, erased, rev, more };
};
