import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parseItemId } from '@sluice/protocol';
import type { GenerationKey, SessionKey } from '@sluice/protocol';
import type { Bus, ItemBody, PromptEntry, StoredItem } from '../src/index.ts';
import { toItem } from '../src/index.ts';
import { BUCKETS, itemKey } from '../src/subjects.ts';
import { backends, newKey } from './world.ts';
import type { World } from './world.ts';

const promptOf = (hash: string): PromptEntry => ({
  hash,
  user: 'u',
  createdAt: 1,
  body: { model: 'm', messages: [{ role: 'user', content: 'grüß ☃' }] },
});

const message = (id: string, text = 'hello'): ItemBody => ({
  id,
  kind: 'message',
  user: 'u',
  createdAt: 1,
  text,
});

const generation = ({ generation: id }: GenerationKey, worker?: string): ItemBody => ({
  id,
  kind: 'generation',
  user: 'u',
  createdAt: 1,
  model: 'm',
  input: 'hi',
  governor: 'fastest',
  status: worker === undefined ? 'queued' : 'running',
  attempt: worker === undefined ? 0 : 1,
  epoch: 0,
  seq: 0,
  ...(worker === undefined ? {} : { worker }),
});

const create = async (bus: Bus, key: SessionKey, item: ItemBody): Promise<number> => {
  const rev = await bus.sessions.createItem(key, item);
  if (rev === undefined) throw new Error(`expected item ${item.id} to be new`);
  return rev;
};

/** Every item of a session, page by page. */
const listAll = async (bus: Bus, key: SessionKey): Promise<{ items: StoredItem[]; pages: number }> => {
  const items: StoredItem[] = [];
  for (let pages = 1, since = 0; ; pages += 1) {
    const page = await bus.sessions.items(key, since);
    items.push(...page.items);
    since = page.rev;
    if (!page.more) return { items, pages };
  }
};

describe.each(backends)('SessionStore on $name', ({ start }) => {
  let world: World;
  let bus: Bus;
  let other: Bus;
  beforeAll(async () => {
    world = await start();
    [bus, other] = await Promise.all([world.open(), world.open()]);
  });
  afterAll(() => world.stop());

  /** An item as an earlier release stored it: with all of its text. */
  const putOld = (key: SessionKey, item: ItemBody): Promise<void> =>
    world.publish(`$KV.${BUCKETS.sessions}.${itemKey(key, parseItemId(item.id))}`, JSON.stringify(item));

  describe('prompts', () => {
    test('a prompt that was never sent is not there', async () => {
      expect(await bus.sessions.prompt(newKey())).toBeUndefined();
    });

    test('a prompt is stored once; a repeat gets the entry that is there', async () => {
      const key = newKey();
      const entry = promptOf('h');
      expect(await bus.sessions.createPrompt(key, entry)).toEqual({ created: true, entry });
      expect(await other.sessions.createPrompt(key, promptOf('other'))).toEqual({ created: false, entry });
      expect(await other.sessions.prompt(key)).toEqual(entry);
    });

    test('of 50 prompts with one key at once exactly one is stored, and all get that one', async () => {
      const key = newKey();
      const results = await Promise.all(
        Array.from({ length: 50 }, (_, n) =>
          (n % 2 ? bus : other).sessions.createPrompt(key, promptOf(`${n}`)),
        ),
      );
      expect(results.filter(({ created }) => created)).toHaveLength(1);
      expect(new Set(results.map(({ entry }) => entry?.hash)).size).toBe(1);
    });

    test('the same generation id in another org or session is another prompt', async () => {
      const key = newKey();
      await bus.sessions.createPrompt(key, promptOf('first'));
      for (const stranger of [
        { ...key, org: newKey().org },
        { ...key, session: newKey().session },
      ]) {
        expect(await bus.sessions.prompt(stranger)).toBeUndefined();
        expect(await bus.sessions.createPrompt(stranger, promptOf('second'))).toMatchObject({
          created: true,
        });
      }
    });

    test('a prompt keeps up to where its session counts', async () => {
      const key = newKey();
      const entry = { ...promptOf('h'), history: { rev: 7, log: 0 } };
      await bus.sessions.createPrompt(key, entry);
      expect(await other.sessions.prompt(key)).toEqual(entry);
    });

    test('a prompt of 256 KB comes back whole', async () => {
      const key = newKey();
      const entry = { ...promptOf('large'), body: { model: 'm', input: 'é'.repeat(128 * 1024) } };
      await bus.sessions.createPrompt(key, entry);
      expect(await other.sessions.prompt(key)).toEqual(entry);
    });
  });

  describe('one item', () => {
    test('an item is created once and read with its rev', async () => {
      const key = newKey();
      expect(await bus.sessions.item(key, key.generation)).toBeUndefined();
      const rev = await create(bus, key, generation(key));
      expect(await bus.sessions.createItem(key, generation(key))).toBeUndefined();
      expect(await other.sessions.item(key, key.generation)).toEqual({ rev, item: generation(key) });
    });

    test('an update needs the newest rev', async () => {
      const key = newKey();
      const first = await create(bus, key, generation(key));
      const second = await bus.sessions.updateItem(key, generation(key, 'w1'), first);
      expect(second).toBeGreaterThan(first);
      expect(await other.sessions.updateItem(key, generation(key, 'w2'), first)).toBeUndefined();
      expect(await bus.sessions.item(key, key.generation)).toEqual({
        rev: second,
        item: generation(key, 'w1'),
      });
    });

    test('an item that does not exist cannot be updated', async () => {
      const key = newKey();
      expect(await bus.sessions.updateItem(key, generation(key), 1)).toBeUndefined();
      expect(await bus.sessions.item(key, key.generation)).toBeUndefined();
    });

    test('of 50 workers that claim an item at once exactly one gets it', async () => {
      const key = newKey();
      const rev = await create(bus, key, generation(key));
      const claims = await Promise.all(
        Array.from({ length: 50 }, (_, n) =>
          (n % 2 ? bus : other).sessions.updateItem(key, generation(key, `w${n}`), rev),
        ),
      );
      const winner = claims.findIndex((claim) => claim !== undefined);
      expect(claims.filter((claim) => claim !== undefined)).toHaveLength(1);
      expect(await bus.sessions.item(key, key.generation)).toEqual({
        rev: claims[winner],
        item: generation(key, `w${winner}`),
      });
    });

    test('an update whose answer got lost succeeds when it is repeated, and is stored once', async () => {
      const key = newKey();
      const rev = await create(bus, key, generation(key));
      const claimed = await bus.sessions.updateItem(key, generation(key, 'w1'), rev);
      expect(await bus.sessions.updateItem(key, generation(key, 'w1'), rev)).toBe(claimed);
    });

    test('what a client sees of an item is all but its workers, living and dead, with the rev', async () => {
      const key = newKey();
      const trace = { traceparent: `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01` };
      const crashes = { crashes: 2, crashSeq: 7, allCrashes: 3, promptHash: 'h', ...trace };
      const rev = await create(bus, key, { ...generation(key, 'w1'), ...crashes } as ItemBody);
      const stored = await bus.sessions.item(key, key.generation);
      const { worker: _worker, ...visible } = generation(key, 'w1') as { worker?: string };
      expect(stored && toItem(stored)).toEqual({ ...visible, rev });
    });
  });

  describe('what the store says of itself', () => {
    test('the newest rev of a session is that of the item which changed last, whatever happens in others', async () => {
      const key = newKey();
      expect(await bus.sessions.newestRev(key)).toBe(0);
      const first = await create(bus, key, message('a'));
      await create(bus, newKey(), message('elsewhere'));
      expect(await other.sessions.newestRev(key)).toBe(first);
      await create(bus, key, message('b'));
      const changed = await bus.sessions.updateItem(key, message('a', 'changed'), first);
      expect(await other.sessions.newestRev(key)).toBe(changed);
    });

    test('it is the same store for all, and its rev is the highest of all sessions', async () => {
      const before = await bus.sessions.store();
      expect(before.store).toMatch(/^[\w-]{1,64}$/);
      const rev = await create(bus, newKey(), message('a'));
      expect(rev).toBeGreaterThan(before.rev);
      expect(await other.sessions.store()).toEqual({ store: before.store, rev });
    });
  });

  describe('the items of a session', () => {
    test('an empty session has none, and keeps the rev that was asked for', async () => {
      expect(await bus.sessions.items(newKey(), 0)).toEqual({ items: [], rev: 0, more: false, erased: [] });
      expect(await bus.sessions.items(newKey(), 42)).toEqual({ items: [], rev: 42, more: false, erased: [] });
    });

    test('items come in order of their last change', async () => {
      const key = newKey();
      const revs = [];
      for (const id of ['a', 'b', 'c']) revs.push(await create(bus, key, message(id)));
      const changed = await bus.sessions.updateItem(key, message('a', 'changed'), revs[0] ?? 0);
      const page = await other.sessions.items(key, 0);
      expect(page.items.map(({ item }) => item.id)).toEqual(['b', 'c', 'a']);
      expect(page.items.map(({ rev }) => rev)).toEqual([revs[1], revs[2], changed]);
      expect(page).toMatchObject({ rev: changed, more: false, erased: [] });
    });

    test('only what changed after `since` is listed', async () => {
      const key = newKey();
      const revs = [];
      for (const id of ['a', 'b', 'c']) revs.push(await create(bus, key, message(id)));
      const since = (rev: number | undefined) => bus.sessions.items(key, rev ?? 0);
      expect((await since(revs[0])).items.map(({ item }) => item.id)).toEqual(['b', 'c']);
      expect(await since(revs[2])).toEqual({ items: [], rev: revs[2], more: false, erased: [] });
      const changed = await bus.sessions.updateItem(key, message('b', 'changed'), revs[1] ?? 0);
      expect(await since(revs[2])).toEqual({
        items: [{ rev: changed, item: message('b', 'changed') }],
        rev: changed,
        more: false,
        erased: [],
      });
    });

    test('sessions with the same id in two orgs do not mix', async () => {
      const key = newKey();
      const stranger = { ...key, org: newKey().org };
      await create(bus, key, message('own'));
      await create(bus, stranger, message('foreign'));
      expect((await bus.sessions.items(key, 0)).items.map(({ item }) => item.id)).toEqual(['own']);
    });

    test('1,000 items come in ten pages of 100, each once, in order', async () => {
      const key = newKey();
      const ids = Array.from({ length: 1_000 }, (_, n) => `item-${n}`);
      for (const id of ids) await create(bus, key, message(id));
      const { items, pages } = await listAll(other, key);
      expect(pages).toBe(10);
      expect(items.map(({ item }) => item.id)).toEqual(ids);
    });

    test('a session of more items than NATS lists at once is read on from its newest', async () => {
      const key = newKey();
      let rev = 0;
      for (let n = 0; n < 1_030; n += 1) rev = await create(bus, key, message(`item-${n}`));
      expect(await bus.sessions.items(key, rev)).toEqual({ items: [], rev, more: false, erased: [] });
      let found = 0;
      for await (const { items } of bus.sessions.backward(key)) found += items.length;
      expect(found).toBe(1_030);
    });

    test('a page of exactly 100 items has no more', async () => {
      const key = newKey();
      for (let n = 0; n < 100; n += 1) await create(bus, key, message(`${n}`));
      expect(await bus.sessions.items(key, 0)).toMatchObject({ more: false, erased: [] });
      await create(bus, key, message('one-more'));
      const page = await bus.sessions.items(key, 0);
      expect(page).toMatchObject({ more: true, erased: [] });
      expect(page.items).toHaveLength(100);
      expect(await bus.sessions.items(key, page.rev)).toMatchObject({ more: false, erased: [] });
    });

    test('a page is cut once it exceeds 1 MiB, and the next one goes on there', async () => {
      const key = newKey();
      for (const id of ['a', 'b', 'c', 'd', 'e']) await putOld(key, message(id, 'x'.repeat(400 * 1024)));
      const page = await bus.sessions.items(key, 0);
      expect(page.items.map(({ item }) => item.id)).toEqual(['a', 'b', 'c']);
      expect(page.more).toBe(true);
      const rest = await bus.sessions.items(key, page.rev);
      expect(rest.items.map(({ item }) => item.id)).toEqual(['d', 'e']);
      expect(rest.more).toBe(false);
    });

    test('an item nearly as large as a page still comes, and what follows is not forgotten', async () => {
      const key = newKey();
      for (const id of ['a', 'b']) await putOld(key, message(id, 'x'.repeat(1_020 * 1024)));
      await create(bus, key, message('c'));
      const { items } = await listAll(bus, key);
      expect(items.map(({ item }) => item.id)).toEqual(['a', 'b', 'c']);
    });

    test('backward, items come from the newest change on, each once, with how many there are before them', async () => {
      const key = newKey();
      const stranger = newKey();
      const ids = Array.from({ length: 330 }, (_, n) => `item-${n}`);
      for (const [n, id] of ids.entries()) {
        // The revs of a session lie unevenly between those of others.
        if (n % 50 === 7)
          for (let other = 0; other < 40; other += 1) await create(bus, stranger, message(`${n}-${other}`));
        await create(bus, key, message(id, 'x'.repeat(n % 3 === 0 ? 20_000 : 10)));
      }
      const found: string[] = [];
      for await (const { items, older } of other.sessions.backward(key)) {
        expect(items.length).toBeLessThanOrEqual(100);
        found.push(...items.map(({ item }) => item.id));
        expect(older).toBe(ids.length - found.length);
      }
      expect(found).toEqual(ids.toReversed());
    });

    test('backward, an empty session has no page', async () => {
      for await (const page of bus.sessions.backward(newKey()))
        throw new Error(`expected none, got ${page.older}`);
    });

    test('a listing while items change misses none and lists none twice in a page', async () => {
      const key = newKey();
      const ids = Array.from({ length: 90 }, (_, n) => `item-${n}`);
      const revs = new Map<string, number>();
      for (const id of ids) revs.set(id, await create(bus, key, message(id)));
      let running = true;
      const churn = (async () => {
        for (let n = 0; running; n += 1) {
          const id = ids[n % ids.length] ?? '';
          const rev = await other.sessions.updateItem(key, message(id, `v${n}`), revs.get(id) ?? 0);
          if (rev !== undefined) revs.set(id, rev);
        }
      })();
      for (let round = 0; round < 100; round += 1) {
        const { items, more } = await bus.sessions.items(key, 0);
        expect(more).toBe(false);
        expect(new Set(items.map(({ item }) => item.id)).size).toBe(items.length);
        expect(items).toHaveLength(ids.length);
        const order = items.map(({ rev }) => rev);
        expect(order).toEqual(order.toSorted((a, b) => a - b));
      }
      running = false;
      await churn;
    });
  });
});
