import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ManualClock, openRawClient, waitFor } from '@sluice/testkit';
import type { RawClient } from '@sluice/testkit';
import { answersTo, ask, codeOf, settled } from '../support/asking.ts';
import { hold } from '../support/hold.ts';
import { createWorld, tokenOf } from '../support/world.ts';
import type { TestEdge, World } from '../support/world.ts';

let world: World;
let clock: ManualClock;
let target: TestEdge;
beforeEach(async () => {
  world = createWorld();
  clock = new ManualClock(Date.now());
  target = await world.addEdge({ clock });
});
afterEach(() => world.close());

/** Connected, but without a credential yet. */
const stranger = (): Promise<RawClient> => openRawClient(target.url);

describe('a credential', () => {
  test.each(['header', 'subprotocol'] as const)('in the %s gets `ready`', async (auth) => {
    const client = await openRawClient(target.url, { token: tokenOf({ user: 'bob' }), auth });
    const ready = await client.nextFrame('ready');
    expect(ready).toMatchObject({ type: 'ready', user: 'bob', org: 'acme', heartbeatMs: 20_000 });
    expect(ready.expiresAt).toBeGreaterThan(Date.now());
    expect(ready.limits).toMatchObject({
      maxFrameBytes: 1024 * 1024,
      maxPromptBytes: 16 * 1024 * 1024,
      maxSignalBytes: 4096,
      maxFramesPerSecond: 10_000,
      maxSessionsPerConnection: 64,
      maxWindow: 256,
      defaultWindow: 32,
      maxItemsPerSession: 1_000,
    });
    client.terminate();
  });

  test('in a first frame gets `ready`, then the answer', async () => {
    const client = await stranger();
    client.send({ type: 'auth', id: 'a', token: tokenOf() });
    await client.nextFrame('ready');
    expect(await client.nextFrame('ok')).toEqual({ type: 'ok', re: 'a' });
    client.terminate();
  });

  test('in the header wins over one in the subprotocol', async () => {
    const headers = { authorization: `Bearer ${tokenOf({ user: 'from-header' })}` };
    const client = await openRawClient(target.url, { token: tokenOf({ user: 'other' }), headers });
    expect((await client.nextFrame('ready')).user).toBe('from-header');
    client.terminate();
  });

  test('in the subprotocol is never echoed', async () => {
    const client = await openRawClient(target.url, { token: tokenOf(), auth: 'subprotocol' });
    expect(client.protocol).toBe('sluice.v1');
    client.terminate();
  });

  test('in the URL is not looked at', async () => {
    const client = await openRawClient(`${target.url}?token=${tokenOf()}&access_token=${tokenOf()}`);
    client.send({ type: 'ping' });
    expect((await client.closed).code).toBe(4401);
  });

  test('that is bad in the header closes with 4401 after the socket was accepted', async () => {
    const client = await openRawClient(target.url, { token: 'nonsense', auth: 'header' });
    expect(await client.closed).toEqual({ code: 4401, reason: 'the token was not accepted' });
    expect(client.frames()).toEqual([]);
  });

  test('that is bad in a first frame is answered and closes with 4401', async () => {
    const client = await stranger();
    client.send({ type: 'auth', id: 'a', token: 'nonsense' });
    expect(await client.closed).toEqual({ code: 4401, reason: 'the token was not accepted' });
    expect(answersTo(client, 'a')).toMatchObject([{ type: 'error', code: 'unauthorized' }]);
  });

  test('that does not come within 5 s closes with 4408', async () => {
    const client = await stranger();
    const late = await stranger();
    clock.advance(4_999);
    late.send({ type: 'auth', token: tokenOf() });
    await late.nextFrame('ready');
    clock.advance(1);
    expect((await client.closed).code).toBe(4408);
    late.terminate();
  });

  test.each([
    ['another frame', '{"type":"ping","id":"p"}'],
    ['an `auth` without a token', '{"type":"auth"}'],
    ['what is no frame', '[]'],
    ['what is not JSON', '{'],
  ])('is needed before anything else: %s ends the connection unanswered', async (_name, text) => {
    const client = await stranger();
    client.send(text);
    expect(await client.closed).toEqual({ code: 4401, reason: 'expected `auth` first' });
    expect(client.frames()).toEqual([]);
  });

  test('is at most 16 KiB with what is around it', async () => {
    const client = await stranger();
    client.send(JSON.stringify({ type: 'auth', token: tokenOf() }).padEnd(16 * 1024 + 1, ' '));
    expect((await client.closed).code).toBe(4409);
    const fits = await stranger();
    fits.send(JSON.stringify({ type: 'auth', token: tokenOf() }).padEnd(16 * 1024, ' '));
    await fits.nextFrame('ready');
    fits.terminate();
  });

  test('makes frames behind a first `auth` wait for it', async () => {
    const client = await stranger();
    client.send({ type: 'auth', token: tokenOf() });
    expect(await codeOf(client, { type: 'subscribe', session: 's1' })).toBe('ok');
    client.terminate();
  });

  test('sent twice at once makes one connection of one user', async () => {
    const client = await openRawClient(target.url, { token: tokenOf({ user: 'ann' }), auth: 'header' });
    client.send({ type: 'auth', id: 'x', token: tokenOf({ user: 'eve' }) });
    expect((await client.nextFrame('ready')).user).toBe('ann');
    expect(await client.nextFrame('error')).toMatchObject({ re: 'x', code: 'forbidden' });
    expect(client.frames('ready')).toHaveLength(1);
    client.terminate();
  });
});

describe('a refresh', () => {
  test('keeps the connection beyond the old expiry', async () => {
    const client = await target.open({ ttlS: 120 });
    expect(await codeOf(client, { type: 'auth', token: tokenOf({ ttlS: 600 }) })).toBe('ok');
    clock.advance(300_000);
    expect(await codeOf(client, { type: 'subscribe', session: 's1' })).toBe('ok');
    expect(client.frames('ready')).toHaveLength(1);
    expect(client.frames('expiring')).toEqual([]);
  });

  test.each([
    ['another user', { user: 'eve' }],
    ['another org', { org: 'globex' }],
  ])('to %s is forbidden, and the old grant stays', async (_name, as) => {
    const client = await target.open({ sessions: ['mine'] });
    const token = tokenOf({ ...as, sessions: ['theirs'] });
    expect(await codeOf(client, { type: 'auth', token })).toBe('forbidden');
    expect(await codeOf(client, { type: 'subscribe', session: 'mine' })).toBe('ok');
    expect(await codeOf(client, { type: 'subscribe', session: 'theirs' })).toBe('not_found');
  });

  test('with a bad token is refused, and the old grant stays', async () => {
    const client = await target.open();
    expect(await codeOf(client, { type: 'auth', token: 'nonsense' })).toBe('unauthorized');
    expect(await codeOf(client, { type: 'subscribe', session: 's1' })).toBe('ok');
  });

  test('gives the new scopes to the frames after it', async () => {
    const client = await target.open({ scope: 'prompt' });
    expect(await codeOf(client, { type: 'subscribe', session: 's1' })).toBe('forbidden');
    client.send({ type: 'auth', token: tokenOf({ scope: 'read' }) });
    expect(await codeOf(client, { type: 'subscribe', session: 's1' })).toBe('ok');
  });

  test('ends also an attachment that is being made, and one that waits to be', async () => {
    const client = await target.open();
    const release = hold(target.recording.bus.sessions, 'items');
    const sessions = ['s1', 's2', 's3', 's4'];
    for (const session of sessions) client.send({ type: 'subscribe', id: session, session });
    expect(await codeOf(client, { type: 'auth', token: tokenOf({ sessions: ['other'] }) })).toBe('ok');
    release();
    const answered = (): boolean => sessions.every((id) => answersTo(client, id).length === 1);
    await waitFor(answered, { what: 'an answer to each' });
    expect(client.frames('subscribed')).toEqual([]);
    const refused = client.frames('error').map(({ code, session }) => `${code} ${session}`);
    expect(refused.toSorted()).toEqual(sessions.map((session) => `not_found ${session}`));
  });

  test.each([
    ['reaches fewer sessions', { sessions: ['s2'] }, 'not_found'],
    ['may not read', { scope: 'prompt' }, 'forbidden'],
  ])('that %s ends the attachments it does not cover', async (_name, as, code) => {
    const client = await target.open();
    const other = await target.open({ user: 'bob' });
    await ask(client, { type: 'subscribe', session: 's1' });
    await ask(other, { type: 'subscribe', session: 's1' });
    await ask(client, { type: 'auth', token: tokenOf(as) });
    expect(await client.nextFrame('error')).toMatchObject({ code, session: 's1' });
    const before = client.frames().length;
    await ask(other, { type: 'message', session: 's1', message: 'm1', text: 'secret' });
    await settled(client);
    expect(client.frames().slice(before)).toMatchObject([{ type: 'ok' }]);
  });
});

describe('an expiry', () => {
  test('is announced 60 s before, once, and closes with 4401 when it comes', async () => {
    const client = await target.open({ ttlS: 100 });
    const [ready] = client.frames('ready');
    clock.advance((ready?.expiresAt ?? 0) - 60_001 - clock.now());
    await settled(client);
    expect(client.frames('expiring')).toEqual([]);
    clock.advance(1);
    expect(await client.nextFrame('expiring')).toEqual({ type: 'expiring', expiresAt: ready?.expiresAt });
    clock.advance(59_999);
    await settled(client);
    expect(client.frames('expiring')).toHaveLength(1);
    clock.advance(1);
    expect((await client.closed).code).toBe(4401);
  });

  test('is announced at once where the token lives for less than 60 s', async () => {
    const client = await target.open({ ttlS: 30 });
    await client.nextFrame('expiring');
  });

  test('is announced again after a refresh', async () => {
    const client = await target.open({ ttlS: 30 });
    await client.nextFrame('expiring');
    await ask(client, { type: 'auth', token: tokenOf({ ttlS: 120 }) });
    clock.advance(70_000);
    await client.nextFrame('expiring');
    expect(client.frames('expiring')).toHaveLength(2);
  });
});
