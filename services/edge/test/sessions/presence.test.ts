import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { parseOrg, parseSessionId } from '@sluice/protocol';
import type { PresenceFrame } from '@sluice/protocol';
import type { RawClient } from '@sluice/testkit';
import { ManualClock, waitFor } from '@sluice/testkit';
import { askOk, settled } from '../support/asking.ts';
import { createWorld } from '../support/world.ts';
import type { TestEdge, World } from '../support/world.ts';

const SESSION = { org: parseOrg('acme'), session: parseSessionId('s1') };

let world: World;
let clock: ManualClock;
let here: TestEdge;
let there: TestEdge;
beforeEach(async () => {
  world = createWorld();
  clock = new ManualClock(Date.now());
  here = await world.addEdge({ clock });
  there = await world.addEdge({ clock });
});
afterEach(() => world.close());

const watch = async (edge: TestEdge, user: string, more = {}): Promise<RawClient> => {
  const client = await edge.open({ user });
  await askOk(client, { type: 'subscribe', session: 's1', ...more });
  return client;
};
const connectionOf = (client: RawClient): string => client.frames('ready')[0]?.connection ?? '';
/** The newest number of viewers that a client was told. */
const latest = (client: RawClient): number | undefined =>
  client
    .frames()
    .flatMap((frame) => (frame.type === 'presence' || frame.type === 'subscribed' ? [frame.viewers] : []))
    .at(-1);
const untilViewers = (client: RawClient, viewers: number): Promise<boolean> =>
  waitFor(() => latest(client) === viewers, { what: `${viewers} viewers`, pollMs: 1 });
const presenceOf = (client: RawClient): PresenceFrame[] => client.frames('presence');

describe.each(['the same edge', 'another edge'])('on %s', (place) => {
  const edge = (): TestEdge => (place === 'the same edge' ? here : there);

  test('who comes is told to those who are there, by user and connection', async () => {
    const ann = await watch(here, 'ann');
    const bob = await watch(edge(), 'bob');
    expect(await ann.nextFrame('presence')).toEqual({
      type: 'presence',
      session: 's1',
      viewers: 2,
      joined: { user: 'bob', connection: connectionOf(bob) },
    });
    expect(bob.frames('presence').every(({ joined }) => joined?.user !== 'bob')).toBe(true);
  });

  test('who comes late is told who is there, and who comes while they do', async () => {
    const early = await Promise.all(['ann', 'bob'].map((user) => watch(edge(), user)));
    const carol = await watch(here, 'carol');
    // What another edge has is not known at once; then everybody is told.
    await untilViewers(carol, 3);
    const told = carol
      .frames()
      .flatMap((frame) => (frame.type === 'presence' || frame.type === 'subscribed' ? [frame] : []));
    const known = new Map<string, string>();
    for (const frame of told) {
      const { present } = frame;
      if (present !== undefined) known.clear();
      for (const { connection, user } of present ?? []) known.set(connection, user);
      if (frame.type === 'presence' && frame.joined !== undefined)
        known.set(frame.joined.connection, frame.joined.user);
    }
    expect(known).toEqual(
      new Map(
        [...early, carol].map((client, index) => [connectionOf(client), ['ann', 'bob', 'carol'][index]]),
      ),
    );
  });

  test('who leaves is told, whether by unsubscribing, closing or vanishing', async () => {
    const ann = await watch(here, 'ann');
    const leave: readonly ((client: RawClient) => unknown)[] = [
      (client) => askOk(client, { type: 'unsubscribe', session: 's1' }),
      (client) => client.close(),
      (client) => client.terminate(),
    ];
    for (const by of leave) {
      const bob = await watch(edge(), 'bob');
      await untilViewers(ann, 2);
      await by(bob);
      await untilViewers(ann, 1);
      expect(presenceOf(ann).at(-1)).toMatchObject({ left: { user: 'bob', connection: connectionOf(bob) } });
    }
  });

  test('observers are neither counted nor named, and see who is there', async () => {
    const ann = await watch(here, 'ann');
    const observer = await watch(edge(), 'eve', { observe: true });
    await untilViewers(observer, 1);
    await watch(edge(), 'bob');
    await untilViewers(ann, 2);
    await untilViewers(observer, 2);
    observer.terminate();
    await settled(ann);
    expect(presenceOf(ann)).toHaveLength(1);
  });
});

test('who comes to another edge hears of those who were there before', async () => {
  await watch(here, 'ann');
  await watch(here, 'bob');
  const carol = await watch(there, 'carol');
  await untilViewers(carol, 3);
});

test('an edge that falls silent has nobody after 15 s', async () => {
  const ann = await watch(here, 'ann');
  world.bus.presence.publish(SESSION, { type: 'join', edge: 'dead', user: 'zoe', connection: 'c9' });
  await untilViewers(ann, 2);
  clock.advance(14_999);
  here.edge.tick();
  await settled(ann);
  expect(latest(ann)).toBe(2);
  clock.advance(1);
  here.edge.tick();
  await untilViewers(ann, 1);
});

test('an edge that lives is not forgotten, however long nothing happens', async () => {
  const ann = await watch(here, 'ann');
  await watch(there, 'bob');
  await untilViewers(ann, 2);
  for (let i = 0; i < 4; i += 1) {
    const announced = there.recording.operations.filter((name) => name === 'presence.publish').length;
    clock.advance(5_000);
    for (const { edge } of [here, there]) edge.tick();
    await waitFor(
      () => there.recording.operations.filter((name) => name === 'presence.publish').length > announced,
      { what: 'an announcement' },
    );
  }
  here.edge.tick();
  await settled(ann);
  expect(presenceOf(ann).map(({ viewers }) => viewers)).toEqual([2]);
});

test('a join that got lost is made good by the next announcement', async () => {
  const ann = await watch(here, 'ann');
  const { presence } = world.bus;
  presence.publish(SESSION, {
    type: 'viewers',
    edge: 'e9',
    viewers: [
      { user: 'x', connection: 'c1' },
      { user: 'y', connection: 'c2' },
    ],
  });
  await untilViewers(ann, 3);
  presence.publish(SESSION, { type: 'viewers', edge: 'e9', viewers: [] });
  await untilViewers(ann, 1);
});

test('viewers that came while an edge was cut off are known when its link is back', async () => {
  const asked: string[] = [];
  const ann = await watch(here, 'ann');
  const other = await world.bus.tokens.tail(SESSION, {
    record: () => undefined,
    item: () => undefined,
    presence: (message) => {
      if (message.type !== 'sync') return;
      asked.push(message.edge);
      const viewers = [{ user: 'zoe', connection: 'c9' }];
      world.bus.presence.publish(SESSION, { type: 'viewers', edge: 'e9', viewers });
    },
  });
  here.recording.reconnect();
  await untilViewers(ann, 2);
  expect(asked).toHaveLength(1);
  other.close();
});

test('in a crowd of more than 50 only the number is told, at most once a second', async () => {
  const first = await watch(here, 'ann');
  const crowd: RawClient[] = [];
  for (let i = 0; i < 69; i += 1) crowd.push(await watch(i % 2 === 0 ? here : there, `u${i}`));
  await settled(first);
  const named = presenceOf(first).filter(({ joined }) => joined !== undefined);
  expect(named).toHaveLength(49);
  const before = presenceOf(first).length;
  clock.advance(1_000);
  await untilViewers(first, 70);
  expect(presenceOf(first)).toHaveLength(before + 1);
  expect(presenceOf(first).at(-1)).toEqual({ type: 'presence', session: 's1', viewers: 70 });

  crowd.pop()?.terminate();
  await waitFor(() => (here.recording.written.join().match(/"leave"/g) ?? []).length === 1, {
    what: 'the leave to be known',
  });
  clock.advance(999);
  here.edge.tick();
  await settled(first);
  expect(latest(first)).toBe(70);
  clock.advance(1);
  here.edge.tick();
  await untilViewers(first, 69);
});

// Repeating a subscribe moves a position: nobody came and nobody went.
test('subscribing again is not told as leaving and joining', async () => {
  const ann = await watch(here, 'ann');
  const bob = await watch(here, 'bob');
  const before = presenceOf(ann).length;
  await askOk(bob, { type: 'subscribe', session: 's1' });
  await settled(ann);
  expect(presenceOf(ann)).toHaveLength(before);
});
