/** Items that are stored while a session is listed, or while the edge hears nothing, over every transport. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { GenerationKey, Item, ServerFrame } from '@sluice/protocol';
import { ManualClock, waitFor } from '@sluice/testkit';
import type { RawClient } from '@sluice/testkit';
import { askOk, keyOf, newId } from '../support/asking.ts';
import { openStream, pathOf } from '../support/http.ts';
import type { RecordingBus } from '../support/recording-bus.ts';
import { createWorld } from '../support/world.ts';
import type { TestEdge, World } from '../support/world.ts';

const SESSION = keyOf('s1', 'none');
const AFTER_A_MINUTE_MS = 60_000;

let world: World;
let clock: ManualClock;
beforeEach(() => {
  world = createWorld();
  clock = new ManualClock(Date.now());
});
afterEach(() => world.close());

/** A viewer as its client sees it, whatever it came by. */
type Watching = { readonly items: () => ReadonlyMap<string, Item>; readonly text: (id: string) => string };
type Frames = <Type extends ServerFrame['type']>(
  type: Type,
) => Extract<ServerFrame, { readonly type: Type }>[];

const watchingOf = (frames: Frames): Watching => ({
  items: () => {
    const items = [
      ...frames('subscribed').flatMap((frame) => frame.items),
      ...frames('item').map(({ item }) => item),
    ];
    const newest = new Map<string, Item>();
    for (const item of items) if (item.rev >= (newest.get(item.id)?.rev ?? 0)) newest.set(item.id, item);
    return newest;
  },
  // Each page is asked for by a new subscription, whose deltas start again.
  text: (id) =>
    frames('delta')
      .filter(({ generation }) => generation === id)
      .reduce((text, delta) => (delta.from === 0 ? delta.text : text + delta.text), ''),
});

/** A client that asks for page after page until the list is whole. */
const watchAll = async (client: RawClient): Promise<Watching> => {
  for (let rev = 0, more = true; more;) {
    const pages = client.frames('subscribed').length;
    await askOk(client, { type: 'subscribe', session: 's1', rev });
    const page = client.frames('subscribed')[pages];
    rev = page?.rev ?? 0;
    more = page?.more === true;
  }
  return watchingOf((type) => client.frames(type));
};

const TRANSPORTS = {
  websocket: async (target: TestEdge) => watchAll(await target.open()),
  sse: async (target: TestEdge) => watchAll(await target.openHttp({}, { transport: 'sse' })),
  poll: async (target: TestEdge) => watchAll(await target.openHttp({}, { transport: 'poll' })),
  'event stream': async (target: TestEdge) => {
    const stream = await openStream(target, `${pathOf('s1')}/events`);
    return watchingOf((type) => stream.frames(type));
  },
};

const store = async (id: string): Promise<void> => {
  const item = { id, kind: 'message', user: 'ann', createdAt: 1, text: id } as const;
  await world.bus.sessions.createItem(SESSION, item);
};

const storeLines = async (prefix: string, count: number): Promise<string[]> => {
  const ids = Array.from({ length: count }, (_, n) => `${prefix}-${n}`);
  for (const id of ids) await store(id);
  return ids;
};

/** Stores a generation with a text, parked. */
const parked = async (): Promise<GenerationKey> => {
  const key = keyOf('s1', newId());
  const generation = { kind: 'generation', user: 'ann', createdAt: 1, model: 'm1', input: 'x' } as const;
  const fresh = { governor: 'fastest', status: 'queued', attempt: 0, epoch: 0, seq: 0 } as const;
  await world.bus.sessions.createItem(key, { id: key.generation, ...generation, ...fresh });
  const worker = await world.addWorker();
  const run = await worker.claim(key);
  await run.write('parked ', 'text');
  await run.park();
  return key;
};

/** Runs `meanwhile` once, when the first page of the session has been read and before anybody knows. */
const amidFirstPage =
  (meanwhile: () => Promise<unknown>) =>
  ({ bus: { sessions } }: RecordingBus): void => {
    const { items } = sessions;
    let isDone = false;
    const hooked: typeof items = async (key, since) => {
      const page = await items(key, since);
      if (!isDone) {
        isDone = true;
        await meanwhile();
        // Live messages are delivered before the page is.
        await new Promise((resolve) => setImmediate(resolve));
      }
      return page;
    };
    Object.assign(sessions, { items: hooked });
  };

/** What is stored meanwhile is told to nobody, as while the link to NATS is down. */
const unheard = async (meanwhile: () => Promise<unknown>): Promise<void> => {
  const tails = new Map(world.hub.tails);
  world.hub.tails.clear();
  await meanwhile();
  await new Promise((resolve) => setImmediate(resolve));
  for (const [session, listeners] of tails) world.hub.tails.set(session, listeners);
};

const missing = (ids: readonly string[], { items }: Watching): string[] =>
  ids.filter((id) => !items().has(id));
const until = (condition: () => boolean, what: string): Promise<unknown> =>
  waitFor(condition, { what, pollMs: 5 });

test('sessions are compared a few at a time after a reconnect, and each at a time of its own afterwards', async () => {
  const target = await world.addEdge({ clock, heartbeatMs: AFTER_A_MINUTE_MS });
  const names = Array.from({ length: 120 }, (_, n) => `s${n}`);
  const clients = await Promise.all([target.open(), target.open()]);
  for (const [n, session] of names.entries())
    await askOk(clients[n % 2] as RawClient, { type: 'subscribe', session });
  const { sessions } = target.recording.bus;
  const { newestRev } = sessions;
  let [atOnce, most, all] = [0, 0, 0];
  const counted: typeof newestRev = async (key) => {
    all += 1;
    most = Math.max(most, (atOnce += 1));
    await new Promise((resolve) => setImmediate(resolve));
    atOnce -= 1;
    return newestRev(key);
  };
  Object.assign(sessions, { newestRev: counted });
  target.recording.reconnect();
  await until(() => all === names.length && atOnce === 0, 'a look at every session');
  await new Promise((resolve) => setImmediate(resolve));
  expect(most).toBe(32);
  clock.advance(AFTER_A_MINUTE_MS / 4);
  target.edge.tick();
  await askOk(clients[0] as RawClient, { type: 'ping' });
  expect(all).toBe(names.length);
  clock.advance(AFTER_A_MINUTE_MS / 2);
  target.edge.tick();
  await until(() => atOnce === 0 && all > names.length, 'some of them again');
  expect(all).toBeLessThan(2 * names.length);
  clock.advance(AFTER_A_MINUTE_MS / 4);
  target.edge.tick();
  await until(() => all >= 2 * names.length, 'all of them again');
});

test('a session of which much was announced is listed before its minute is over', async () => {
  const target = await world.addEdge({ clock });
  const client = await target.open();
  await askOk(client, { type: 'subscribe', session: 's1' });
  const lines = await storeLines('live', 300);
  await until(() => client.frames('item').length === lines.length, 'every line');
  expect(client.frames('listed')).toEqual([]);
  target.edge.tick();
  await until(() => client.frames('listed').length === 1, 'word that all was listed');
  expect(client.frames('listed')[0]?.rev).toBe(client.frames('item').at(-1)?.rev);
});

describe.each(Object.entries(TRANSPORTS))('over %s', (_name, watch) => {
  test('what is stored while pages are listed hides nothing that was stored before', async () => {
    const before = await storeLines('before', 120);
    const key = await parked();
    const during: string[] = [];
    const prepare = amidFirstPage(async () => during.push(...(await storeLines('during', 5))));
    const target = await world.addEdge({ clock, prepare });
    const viewer = await watch(target);
    await until(() => missing([...before, key.generation, ...during], viewer).length === 0, 'every item');
    await until(() => viewer.text(key.generation) === 'parked text', 'the text of the parked generation');
  });

  test('lines that were stored during a reconnect are shown, although newer ones came live before', async () => {
    const target = await world.addEdge({ clock });
    const viewer = await watch(target);
    const lines = await storeLines('before', 1);
    await until(() => missing(lines, viewer).length === 0, 'the first line');
    await unheard(async () => lines.push(...(await storeLines('away', 150))));
    lines.push(...(await storeLines('back', 3)));
    await until(() => missing(['back-2'], viewer).length === 0, 'the newest line');
    target.recording.reconnect();
    await until(() => missing(lines, viewer).length === 0, 'every line');
  });
});

// Whoever polls would have to in that minute.
const PATIENT = Object.entries(TRANSPORTS).filter(([name]) => name !== 'poll');

test.each(PATIENT)(
  'an item that was told to nobody, without any reconnect, is shown within a minute over %s',
  async (_name, watch) => {
    // Nobody says anything in this minute.
    const target = await world.addEdge({ clock, heartbeatMs: AFTER_A_MINUTE_MS });
    const viewer = await watch(target);
    let key: GenerationKey | undefined;
    await unheard(async () => (key = await parked()));
    const lines = await storeLines('after', 1);
    await until(() => missing(lines, viewer).length === 0, 'the line after it');
    const id = String(key?.generation);
    expect(viewer.items().has(id)).toBe(false);
    clock.advance(AFTER_A_MINUTE_MS);
    target.edge.tick();
    await until(() => viewer.text(id) === 'parked text', 'the text of the parked generation');
  },
);
