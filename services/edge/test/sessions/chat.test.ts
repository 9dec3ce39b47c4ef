import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { RawClient } from '@sluice/testkit';
import { altered, waitFor } from '@sluice/testkit';
import { ask, askOk, codeOf, newId, settled } from '../support/asking.ts';
import { createWorld } from '../support/world.ts';
import type { TestEdge, World } from '../support/world.ts';

let world: World;
let target: TestEdge;
let ann: RawClient;
beforeEach(async () => {
  world = createWorld();
  target = await world.addEdge();
  ann = await target.open();
});
afterEach(() => world.close());

const message = (id: string, more: Readonly<Record<string, unknown>> = {}) => ({
  type: 'message',
  session: 's1',
  message: id,
  text: 'hello',
  ...more,
});
const signal = (data: unknown) => ({ type: 'signal', session: 's1', data });
const watch = async (edge: TestEdge, user: string): Promise<RawClient> => {
  const client = await edge.open({ user });
  await askOk(client, { type: 'subscribe', session: 's1' });
  return client;
};

describe('a message', () => {
  test('is an item that every viewer sees, on every edge, and starts no run', async () => {
    const viewers = [await watch(target, 'bob'), await watch(await world.addEdge(), 'carol')];
    await askOk(ann, message('m1', { data: { mood: 'good' } }));
    for (const viewer of viewers) {
      const frame = await viewer.nextFrame('item');
      expect(frame).toMatchObject({ session: 's1', rev: frame.item.rev });
      expect(frame.item).toMatchObject({
        id: 'm1',
        kind: 'message',
        user: 'ann',
        text: 'hello',
        data: { mood: 'good' },
      });
    }
    expect(world.hub.queued.size).toBe(0);
    expect(ann.frames('item')).toEqual([]);
  });

  test('that was missed while NATS was away is seen, though the session could not be read at once', async () => {
    const away = await world.addEdge();
    const { recording } = away;
    const { tail } = recording.bus.tokens;
    Object.assign(recording.bus.tokens, {
      tail: (...[key, listener]: Parameters<typeof tail>) =>
        tail(key, altered(listener, { item: () => undefined })),
    });
    const viewer = await watch(away, 'bob');
    await askOk(ann, message('m1'));
    recording.isDown = true;
    recording.reconnect();
    await waitFor(() => away.logs.some((line) => line.includes('session_recheck_failed')), {
      what: 'the first look to fail',
    });
    recording.isDown = false;
    expect((await viewer.nextFrame('item')).item).toMatchObject({ id: 'm1' });
  });

  test('that comes after a page of items that cannot be read is seen all the same', async () => {
    const away = await world.addEdge();
    const { recording } = away;
    const { tail } = recording.bus.tokens;
    const { items } = recording.bus.sessions;
    Object.assign(recording.bus.tokens, {
      tail: (...[key, listener]: Parameters<typeof tail>) =>
        tail(key, altered(listener, { item: () => undefined })),
    });
    const viewer = await watch(away, 'bob');
    await askOk(ann, message('m0'));
    await askOk(ann, message('m1'));
    Object.assign(recording.bus.sessions, {
      items: async (...args: Parameters<typeof items>) => {
        const page = await items(...args);
        const [first] = page.items;
        return first?.item.id === 'm0' ? { ...page, items: [], rev: first.rev, more: true } : page;
      },
    });
    recording.reconnect();
    expect((await viewer.nextFrame('item')).item).toMatchObject({ id: 'm1' });
  });

  test('sent again is stored once', async () => {
    const edges = [ann, await (await world.addEdge()).open()];
    const codes = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        codeOf(edges[i % 2] as RawClient, message('m1', { data: [1, { a: 2 }] })),
      ),
    );
    expect(new Set(codes)).toEqual(new Set(['ok']));
    expect(world.hub.items.size).toBe(1);
  });

  test.each([
    ['text', message('m1', { text: 'other' })],
    ['data', message('m1', { data: { a: 1 } })],
  ])('sent again with other %s is a conflict', async (_name, again) => {
    await askOk(ann, message('m1'));
    expect(await ask(ann, again)).toMatchObject({ code: 'conflict', retryable: false });
    const stored = [...world.hub.items.values()].map(({ text }): unknown => JSON.parse(text));
    expect(stored).toMatchObject([{ text: 'hello' }]);
  });

  test('with the id of another user or of a generation is a conflict', async () => {
    await world.addWorker();
    await askOk(ann, message('m1'));
    const bob = await target.open({ user: 'bob' });
    expect(await codeOf(bob, message('m1'))).toBe('conflict');
    await askOk(ann, { type: 'prompt', session: 's1', generation: 'g1', input: 'hello' });
    expect(await codeOf(ann, message('g1'))).toBe('conflict');
  });

  test('is unavailable while storage is down', async () => {
    target.recording.isDown = true;
    expect(await codeOf(ann, message('m1'))).toBe('unavailable');
    target.recording.isDown = false;
    expect(await codeOf(ann, message('m1'))).toBe('ok');
  });
});

describe('a signal', () => {
  test('goes to the other viewers on every edge, and not to its sender', async () => {
    const sender = await watch(target, 'ann');
    const others = [await watch(target, 'ann'), await watch(await world.addEdge(), 'bob')];
    const outsider = await target.open();
    await askOk(outsider, { type: 'subscribe', session: 's2' });
    await askOk(sender, signal({ typing: true }));
    for (const other of others)
      expect(await other.nextFrame('signal')).toEqual({
        type: 'signal',
        session: 's1',
        user: 'ann',
        data: { typing: true },
      });
    await settled(sender);
    await settled(outsider);
    expect([...sender.frames('signal'), ...outsider.frames('signal')]).toEqual([]);
  });

  test('reaches observers too, and may come from one', async () => {
    const sender = await target.open({ user: 'bob' });
    await askOk(sender, { type: 'subscribe', session: 's1', observe: true });
    const other = await target.open();
    await askOk(other, { type: 'subscribe', session: 's1', observe: true });
    await askOk(sender, signal(1));
    expect(await other.nextFrame('signal')).toMatchObject({ user: 'bob', data: 1 });
  });

  test('is never stored', async () => {
    const sender = await watch(target, 'ann');
    target.recording.operations.length = 0;
    await askOk(sender, signal('hello'));
    expect(target.recording.operations).toEqual(['presence.publish']);
    const late = await watch(target, 'bob');
    await settled(late);
    expect(late.frames('signal')).toEqual([]);
  });

  test.each([
    ['null', null],
    ['a string', 'x'],
    ['a list', [1, [2]]],
    ['a string of 4 KiB', 'x'.repeat(4094)],
  ])('may be %s', async (_name, data) => {
    const sender = await watch(target, 'ann');
    const other = await watch(target, 'bob');
    await askOk(sender, signal(data));
    expect((await other.nextFrame('signal')).data).toEqual(data);
  });

  test.each([
    ['in ASCII', 'x'.repeat(4095)],
    ['in characters of several bytes', '😀'.repeat(1_100)],
    ['once it is encoded', ['1e20']],
  ])('of more than 4 KiB %s is too large', async (_name, data) => {
    const sender = await watch(target, 'ann');
    target.recording.operations.length = 0;
    const many = Array.isArray(data) ? Array.from({ length: 300 }, () => 1e20) : data;
    const id = newId();
    sender.send(JSON.stringify({ ...signal(many), id }).replaceAll('100000000000000000000', '1e20'));
    expect(await sender.nextFrame('error')).toMatchObject({ re: id, code: 'too_large', retryable: false });
    expect(target.recording.operations).toEqual([]);
  });

  test('needs a subscription', async () => {
    expect(await codeOf(ann, signal(1))).toBe('not_found');
  });
});

test('a ping is answered by `pong`, and under its id if it has one', async () => {
  ann.send({ type: 'ping' });
  await ann.nextFrame('pong');
  ann.send({ type: 'ping', id: 'p' });
  await waitFor(() => ann.frames('ok').length === 1, { what: 'the answer' });
  expect(
    ann
      .frames()
      .slice(1)
      .map(({ type }) => type),
  ).toEqual(['pong', 'pong', 'ok']);
});
