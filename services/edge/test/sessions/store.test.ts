/** A store that is replaced, or restored from a copy, under clients that are there and for those that come back. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { MemoryHub } from '@sluice/bus';
import type { GenerationKey, ServerFrame, SubscribedFrame } from '@sluice/protocol';
import { ManualClock, waitFor } from '@sluice/testkit';
import { askOk, codeOf, keyOf, newId } from '../support/asking.ts';
import { openStream, pathOf, request } from '../support/http.ts';
import type { FakeWorker } from '../support/fake-worker.ts';
import { createWorld } from '../support/world.ts';
import type { TestEdge, World } from '../support/world.ts';

const SESSION = keyOf('s1', 'none');

let world: World;
let clock: ManualClock;
let target: TestEdge;
let worker: FakeWorker;
beforeEach(async () => {
  world = createWorld();
  clock = new ManualClock(Date.now());
  // Nobody says anything while a minute passes.
  target = await world.addEdge({ clock, heartbeatMs: 60_000 });
  worker = await world.addWorker();
});
afterEach(() => world.close());

/** Where a client was when it went. */
type Place = { readonly rev: number; readonly store?: string; readonly cursor?: string };
type Watching = {
  readonly frames: <Type extends ServerFrame['type']>(type: Type) => Extract<ServerFrame, { type: Type }>[];
  readonly place: () => Place;
};
type Transport = (target: TestEdge, place?: Place) => Promise<Watching>;

const overFrames =
  (open: () => ReturnType<TestEdge['open']>): ((place?: Place) => Promise<Watching>) =>
  async ({ rev, store } = { rev: 0 }) => {
    const client = await open();
    const where = rev === 0 ? {} : { rev, ...(store === undefined ? {} : { store }) };
    await askOk(client, { type: 'subscribe', session: 's1', ...where });
    const frames: Watching['frames'] = (type) => client.frames(type);
    const place = (): Place => {
      const { rev: newest = 0, store: from } = frames('subscribed').at(-1) ?? {};
      return { rev: newest, ...(from === undefined ? {} : { store: from }) };
    };
    return { frames, place };
  };

const TRANSPORTS: Readonly<Record<string, Transport>> = {
  websocket: (edge, place) => overFrames(() => edge.open())(place),
  sse: (edge, place) => overFrames(() => edge.openHttp({}, { transport: 'sse' }))(place),
  poll: (edge, place) => overFrames(() => edge.openHttp({}, { transport: 'poll' }))(place),
  'event stream': async (edge, { cursor } = { rev: 0 }) => {
    const from = cursor === undefined ? {} : { lastEventId: cursor };
    const stream = await openStream(edge, `${pathOf('s1')}/events`, from);
    await waitFor(() => stream.frames('subscribed').length > 0, { what: 'a list', pollMs: 1 });
    const place = (): Place => ({ rev: 0, cursor: stream.lastEventId ?? '' });
    return { frames: (type) => stream.frames(type), place };
  },
};

const storeLines = async (prefix: string, count: number): Promise<string[]> => {
  const ids = Array.from({ length: count }, (_, n) => `${prefix}-${n}`);
  for (const id of ids)
    await world.bus.sessions.createItem(SESSION, {
      id,
      kind: 'message',
      user: 'ann',
      createdAt: 1,
      text: id,
    });
  return ids;
};

type Copy = Pick<MemoryHub, 'rev' | 'store'> & { readonly items: MemoryHub['items'] };
const copyOf = ({ rev, store, items }: MemoryHub): Copy => ({ rev, store, items: new Map(items) });
const putBack = ({ rev, store, items }: Copy): void => {
  world.hub.items.clear();
  for (const [path, item] of items) world.hub.items.set(path, item);
  Object.assign(world.hub, { rev, store });
};
/** All that was stored is gone, as with the disk of the only server. */
const replaced: Copy = { rev: 0, store: 'another', items: new Map() };

const resetOf = ({ frames }: Watching): SubscribedFrame | undefined =>
  frames('subscribed').find(({ reset }) => reset === true);
const idsOf = (frame: SubscribedFrame | undefined): string[] => (frame?.items ?? []).map(({ id }) => id);
const untilReset = async (viewer: Watching): Promise<SubscribedFrame> =>
  waitFor(() => resetOf(viewer), { what: 'a reset', pollMs: 5 });

describe.each(Object.entries(TRANSPORTS))('over %s', (_name, watch) => {
  test('whoever is connected when the store is replaced is told, and gets what the new one has', async () => {
    await storeLines('old', 5);
    const viewer = await watch(target);
    putBack(replaced);
    const lines = await storeLines('new', 2);
    target.recording.reconnect();
    const reset = await untilReset(viewer);
    expect(idsOf(reset)).toEqual(lines);
    expect(reset.store).toBe('another');
    await storeLines('live', 1);
    await waitFor(() => viewer.frames('item').some(({ item }) => item.id === 'live-0'), {
      what: 'a live line',
    });
  });

  test('and so is who is connected when it is restored from an older copy', async () => {
    const kept = await storeLines('kept', 3);
    const copy = copyOf(world.hub);
    await storeLines('lost', 3);
    const viewer = await watch(target);
    putBack(copy);
    target.recording.reconnect();
    expect(idsOf(await untilReset(viewer))).toEqual(kept);
  });

  test('who comes back with a rev of another store gets all of this one', async () => {
    await storeLines('old', 40);
    const place = (await watch(target)).place();
    putBack(replaced);
    const lines = await storeLines('new', 50);
    const viewer = await watch(await world.addEdge({ clock }), place);
    expect(idsOf(await untilReset(viewer))).toEqual(lines);
    expect(viewer.frames('subscribed')).toHaveLength(1);
  });

  test('who comes back with a rev that the store has not reached gets all of it', async () => {
    const kept = await storeLines('kept', 3);
    const copy = copyOf(world.hub);
    await storeLines('lost', 3);
    const place = (await watch(target)).place();
    putBack(copy);
    const viewer = await watch(await world.addEdge({ clock }), place);
    expect(idsOf(await untilReset(viewer))).toEqual(kept);
  });

  test('who comes back to the same store is not', async () => {
    await storeLines('old', 3);
    const place = (await watch(target)).place();
    const lines = await storeLines('since', 2);
    const viewer = await watch(await world.addEdge({ clock }), place);
    expect(viewer.frames('subscribed').flatMap(({ items }) => items.map(({ id }) => id))).toEqual(lines);
    expect(resetOf(viewer)).toBeUndefined();
  });

  test('the text of a generation starts over, also where the position would fit', async () => {
    const key: GenerationKey = keyOf('s1', newId());
    const author = await target.open();
    const prompt = { type: 'prompt', session: 's1', generation: key.generation, input: 'x' };
    await askOk(author, prompt);
    const run = await worker.claim(key);
    await run.write('one ', 'two ');
    const viewer = await watch(target);
    await waitFor(() => viewer.frames('delta').at(-1)?.seq === 2, { what: 'the text', pollMs: 1 });
    putBack({ ...copyOf(world.hub), store: 'another' });
    target.recording.reconnect();
    await untilReset(viewer);
    await run.write('three');
    await waitFor(() => viewer.frames('delta').at(-1)?.seq === 3, { what: 'the rest', pollMs: 1 });
    expect(viewer.frames('delta').filter(({ from }) => from === 0).length).toBeGreaterThan(1);
  });
});

test('a replaced store is noticed without any reconnect, at the first item that it brings', async () => {
  await storeLines('old', 5);
  const client = await target.open();
  await askOk(client, { type: 'subscribe', session: 's1' });
  await storeLines('more', 1);
  await waitFor(() => client.frames('item').length === 1, { what: 'the live line', pollMs: 1 });
  putBack(replaced);
  const lines = await storeLines('new', 1);
  await new Promise((resolve) => setImmediate(resolve));
  target.edge.tick();
  await waitFor(() => idsOf(client.frames('subscribed').at(-1)).join() === lines.join(), { what: 'a reset' });
});

test('a session that lost its newest items alone is reset alone, within a minute', async () => {
  const kept = await storeLines('kept', 3);
  const copy = copyOf(world.hub);
  await storeLines('lost', 2);
  const client = await target.open();
  await askOk(client, { type: 'subscribe', session: 's1' });
  await askOk(client, { type: 'message', session: 's2', message: 'm', text: 'x' });
  await askOk(client, { type: 'subscribe', session: 's2' });
  const { rev, store } = world.hub;
  const elsewhere = [...world.hub.items].filter(([path]) => path.includes('.s2.'));
  putBack({ rev, store, items: new Map([...copy.items, ...elsewhere]) });
  clock.advance(60_000);
  target.edge.tick();
  const reset = await waitFor(() => client.frames('subscribed').find((frame) => frame.reset), {
    what: 'a reset',
  });
  expect([reset.session, idsOf(reset)]).toEqual(['s1', kept]);
  expect(client.frames('subscribed').filter(({ session }) => session === 's2')).toHaveLength(1);
});

test('a page of a session says which store its rev is of, and begins anew with another one', async () => {
  await storeLines('old', 5);
  const page = (await request(target, pathOf('s1'))).body as { rev: number; store: string };
  const path = `${pathOf('s1')}?after=${page.rev}&store=${page.store}`;
  expect((await request(target, path)).body).toEqual({ rev: page.rev, store: page.store, items: [] });
  putBack(replaced);
  await storeLines('new', 7);
  target.recording.reconnect();
  expect((await request(target, path)).body).toMatchObject({ rev: 7, store: 'another', reset: true });
});

test('who watches one generation alone is told to come again', async () => {
  const id = newId();
  const client = await target.open();
  await askOk(client, { type: 'prompt', session: 's1', generation: id, input: 'x' });
  const stream = await openStream(target, `${pathOf('s1', id)}/events`);
  putBack(replaced);
  target.recording.reconnect();
  await stream.closed;
  expect(stream.frames('error')).toMatchObject([{ code: 'unavailable', retryable: true }]);
});

test('a reset that could not be read for the moment is told once it can be', async () => {
  await storeLines('old', 5);
  const client = await target.open();
  await askOk(client, { type: 'subscribe', session: 's1' });
  putBack(replaced);
  target.recording.isDown = true;
  target.recording.reconnect();
  target.edge.tick();
  expect(await codeOf(client, { type: 'message', session: 's1', message: 'm', text: 'x' })).toBe(
    'unavailable',
  );
  target.recording.isDown = false;
  await storeLines('new', 1);
  target.edge.tick();
  await waitFor(() => idsOf(client.frames('subscribed').at(-1)).join() === 'new-0', { what: 'the new line' });
});
