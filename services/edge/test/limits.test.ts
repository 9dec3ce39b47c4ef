import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ManualClock, waitFor } from '@sluice/testkit';
import { ask, askOk, codeOf, newId, settled } from './support/asking.ts';
import { hold } from './support/hold.ts';
import { createWorld } from './support/world.ts';
import type { World } from './support/world.ts';

let world: World;
let clock: ManualClock;
beforeEach(() => {
  world = createWorld();
  clock = new ManualClock(Date.now());
});
afterEach(() => world.close());

describe('signals', () => {
  test('are limited by their bytes and by how many get them, per user', async () => {
    const { open } = await world.addEdge({ clock, signalBytesPerSecond: 10_000 });
    const [one, other, bob] = [await open(), await open(), await open({ user: 'bob' })];
    for (const client of [one, other, bob]) await askOk(client, { type: 'subscribe', session: 's' });
    const signal = { type: 'signal', session: 's', data: 'x'.repeat(3_900) };
    expect(await codeOf(one, signal)).toBe('ok');
    // Three get it: what one user may say in a second is used up, over all of the user's connections.
    for (const client of [one, other]) expect(await codeOf(client, signal)).toBe('rate_limited');
    expect(one.frames('error').at(-1)).toMatchObject({ retryable: true, retryAfterMs: 201 });
    expect(await codeOf(bob, signal)).toBe('ok');
    clock.advance(201);
    expect(await codeOf(one, signal)).toBe('ok');
  });
});

describe('frames per second', () => {
  test('beyond the limit are rate_limited with a time to wait, and the connection lives on', async () => {
    const { open, recording } = await world.addEdge({ clock, maxFramesPerSecond: 100 });
    const client = await open();
    for (let i = 0; i < 100; i += 1) client.send({ type: 'ping' });
    client.send({ type: 'message', id: 'over', session: 's', message: 'm', text: 'x' });
    expect(await client.nextFrame('error')).toEqual({
      type: 'error',
      re: 'over',
      code: 'rate_limited',
      message: 'too many frames',
      retryable: true,
      retryAfterMs: 10,
      session: 's',
    });
    expect(recording.operations).toEqual([]);
    expect(client.frames('pong')).toHaveLength(100);
    clock.advance(10);
    expect(await codeOf(client, { type: 'ping' })).toBe('ok');
    expect(await codeOf(client, { type: 'ping' })).toBe('rate_limited');
  });

  test('are counted per connection', async () => {
    const { open } = await world.addEdge({ clock, maxFramesPerSecond: 2 });
    const [one, two] = [await open(), await open()];
    for (let i = 0; i < 3; i += 1) one.send({ type: 'ping' });
    await one.nextFrame('error');
    expect(await codeOf(two, { type: 'ping' })).toBe('ok');
  });

  test('saved up are those of one second at most', async () => {
    const { open } = await world.addEdge({ clock, maxFramesPerSecond: 10 });
    const client = await open();
    clock.advance(60_000);
    for (let i = 0; i < 11; i += 1) client.send({ type: 'ping' });
    await client.nextFrame('error');
    expect(client.frames('pong')).toHaveLength(10);
  });

  test('that do not stop close with 4429', async () => {
    const { open } = await world.addEdge({ clock, maxFramesPerSecond: 10 });
    const client = await open();
    for (let i = 0; i < 31; i += 1) client.send({ type: 'ping' });
    expect((await client.closed).code).toBe(4429);
    expect(client.frames('error')).toHaveLength(20);
  });

  test('that are bad count as well', async () => {
    const { open } = await world.addEdge({ clock, maxFramesPerSecond: 10 });
    const client = await open();
    for (let i = 0; i < 31; i += 1) client.send({ type: 'subscribe', session: '*' });
    expect((await client.closed).code).toBe(4429);
  });

  test('of a client that keeps within its retries never come to that', async () => {
    const { open } = await world.addEdge({ clock, maxFramesPerSecond: 10 });
    const client = await open();
    for (let second = 1; second <= 50; second += 1) {
      for (let i = 0; i < 14; i += 1) client.send({ type: 'ping' });
      const answered = (): boolean =>
        client.frames('pong').length + client.frames('error').length === second * 14;
      await waitFor(answered, { what: 'an answer to each ping', pollMs: 1 });
      clock.advance(1_000);
    }
    expect(await codeOf(client, { type: 'ping' })).toBe('ok');
  });
});

describe('sessions per connection', () => {
  test('are no more where all are asked for at once', async () => {
    const { open, recording } = await world.addEdge();
    const client = await open();
    let listings = 0;
    const release = hold(recording.bus.sessions, 'items', () => (listings += 1) > 0);
    for (let i = 0; i < 70; i += 1) client.send({ type: 'subscribe', id: `${i}`, session: `s${i}` });
    await ask(client, { type: 'ping' });
    expect(listings).toBe(2);
    release();
    const answers = () => [...client.frames('ok'), ...client.frames('error')].length;
    await waitFor(() => answers() === 71, { what: 'an answer to each' });
    expect(client.frames('subscribed')).toHaveLength(64);
    expect(client.frames('error').map(({ code }) => code)).toEqual(Array(6).fill('quota_exceeded'));
  });

  test('the 65th is quota_exceeded, by subscription or by prompt, until one is left', async () => {
    const { open } = await world.addEdge();
    const client = await open();
    for (let i = 0; i < 64; i += 1) await askOk(client, { type: 'subscribe', session: `s${i}` });
    expect(await codeOf(client, { type: 'subscribe', session: 's64' })).toBe('quota_exceeded');
    const prompt = { type: 'prompt', session: 's64', generation: newId(), input: 'x' };
    expect(await codeOf(client, prompt)).toBe('quota_exceeded');
    expect(await codeOf(client, { type: 'subscribe', session: 's0' })).toBe('ok');
    await askOk(client, { type: 'unsubscribe', session: 's0' });
    expect(await codeOf(client, { type: 'subscribe', session: 's64' })).toBe('ok');
  });
});

describe('frames that wait behind a slow one', () => {
  test('are bounded in number, while acks and pings are answered', async () => {
    const { open, recording } = await world.addEdge();
    const client = await open();
    const release = hold(recording.bus.sessions, 'items');
    client.send({ type: 'subscribe', session: 's', id: 'slow' });
    for (let i = 0; i < 300; i += 1) client.send({ type: 'unsubscribe', session: 's', id: `u${i}` });
    const refusal = await client.nextFrame('error');
    expect(refusal).toMatchObject({ code: 'rate_limited', retryable: true });
    expect(Number(refusal.re?.slice(1))).toBeGreaterThanOrEqual(255);
    expect(await codeOf(client, { type: 'ping' })).toBe('ok');
    release();
    await settled(client, 's');
    expect(client.frames('ok').filter(({ re }) => re.startsWith('u')).length).toBeGreaterThanOrEqual(255);
  });

  test('are bounded in each session, and in all', async () => {
    const { open, recording } = await world.addEdge();
    const client = await open();
    const release = hold(recording.bus.sessions, 'item');
    const post = (session: string, id: string) =>
      client.send({ type: 'message', id, session, message: id, text: 'x' });
    for (let i = 0; i < 300; i += 1) post('a', `a${i}`);
    expect((await client.nextFrame('error')).re).toBe('a256');
    for (let i = 0; i < 300; i += 1) post(`b${i}`, `b${i}`);
    await ask(client, { type: 'ping' });
    expect(client.frames('error').map(({ re }) => re)).toContain('b256');
    expect(client.frames('error')).toHaveLength(44 + 44);
    release();
    await waitFor(() => client.frames('ok').length === 513, { what: 'all that were taken' });
    expect(await codeOf(client, { type: 'message', session: 'a', message: 'more', text: 'x' })).toBe('ok');
  });

  test('are bounded in size', async () => {
    const { open, recording } = await world.addEdge();
    const client = await open();
    const release = hold(recording.bus.sessions, 'items');
    client.send({ type: 'subscribe', session: 's', id: 'slow' });
    const text = 'x'.repeat(200_000);
    for (let i = 0; i < 10; i += 1) client.send({ type: 'message', session: 's', message: newId(), text });
    expect(await client.nextFrame('error')).toMatchObject({ code: 'rate_limited' });
    release();
    await settled(client, 's');
    expect(client.frames('item')).toHaveLength(5);
  });
});

test('limits are those that `ready` names', async () => {
  const { open } = await world.addEdge({
    maxFramesPerSecond: 7,
    maxSessionsPerConnection: 1,
    maxItemsPerSession: 2,
  });
  const client = await open();
  const [ready] = client.frames('ready');
  expect(ready?.limits).toMatchObject({
    maxFramesPerSecond: 7,
    maxSessionsPerConnection: 1,
    maxItemsPerSession: 2,
  });
  await ask(client, { type: 'subscribe', session: 'a' });
  expect(await codeOf(client, { type: 'subscribe', session: 'b' })).toBe('quota_exceeded');
});
