import { describe, expect, test } from '@jest/globals';
import { parseOrg } from '@sluice/protocol';
import type { Revocation } from '@sluice/protocol';
import { epochSeconds, openRawClient, waitFor } from '@sluice/testkit';
import type { MintOptions, RawClient } from '@sluice/testkit';
import { answersTo, ask, askOk, codeOf, newId, settled } from '../support/asking.ts';
import { ChatSocket } from '../support/chat-socket.ts';
import { codeIn, openStream, pathOf, request } from '../support/http.ts';
import { freshScene } from '../support/scene.ts';
import { outcomeOf } from '../support/sign-in.ts';
import { said } from '../support/ui-chat.ts';
import { tokenOf } from '../support/world.ts';

const scene = freshScene('manual');

/** Issued a minute before the tests, and so before every revocation. */
const EARLIER: Partial<MintOptions> = { claims: { iat: epochSeconds() - 60 } };
/** Issued after every revocation. */
const LATER: Partial<MintOptions> = { claims: { iat: epochSeconds() + 20 } };

const revocation = (of: Revocation['of'], id: string, more: Partial<Revocation> = {}): Revocation => ({
  ...{ org: parseOrg('acme'), of, id, before: scene.clock.now(), expiresAt: scene.clock.now() + 600_000 },
  ...more,
});
/** Revokes, and lets the edge see to it. */
const revoke = async (...args: Parameters<typeof revocation>): Promise<void> => {
  await scene.world.bus.revocations.put(revocation(...args));
  await waitFor(() => scene.target.logs.some((line) => line.includes('access_revoked')), {
    what: 'the news',
  });
  scene.target.edge.tick();
};
const signIn = (as: Partial<MintOptions>): Promise<'ready' | number> => outcomeOf(scene.target, tokenOf(as));

describe('a revoked token', () => {
  test('is refused at every door, in the words for any bad token', async () => {
    await revoke('user', 'ann');
    expect(await signIn(EARLIER)).toBe(4401);
    const client = await openRawClient(scene.target.url);
    client.send({ type: 'auth', id: 'a', token: tokenOf(EARLIER) });
    expect(await client.closed).toEqual({ code: 4401, reason: 'the token was not accepted' });
    expect(answersTo(client, 'a')).toMatchObject([{ type: 'error', code: 'unauthorized' }]);
    const answer = await request(scene.target, '/v1/models', { as: EARLIER });
    expect([answer.status, codeIn(answer)]).toEqual([401, 'unauthorized']);
    const chat = await ChatSocket.open(scene.target, { token: tokenOf(EARLIER) });
    expect(await chat.closed).toBe(4401);
    expect(scene.target.logs.filter((line) => line.includes('"reason":"revoked"'))).toHaveLength(4);
  });

  test('is told from one that was issued later, so that its user can sign in again', async () => {
    await revoke('user', 'ann');
    expect(await signIn(LATER)).toBe('ready');
    expect(await signIn({ claims: { iat: undefined } })).toBe(4401);
    expect(await signIn({ ...EARLIER, user: 'bob' })).toBe('ready');
    expect(await signIn({ ...EARLIER, org: 'globex' })).toBe('ready');
  });

  test.each([
    ['its id', 'token', 't-1'],
    ['its org', 'org', ''],
  ] as const)('is named by %s', async (_name, of, id) => {
    const withId = (jti: string, iat = epochSeconds() - 60) => ({ claims: { jti, iat } });
    await revoke(of, id);
    expect(await signIn(withId('t-1'))).toBe(4401);
    expect(await signIn(withId('t-2'))).toBe(of === 'org' ? 4401 : 'ready');
    expect(await signIn(withId('t-1', epochSeconds() + 20))).toBe(of === 'org' ? 'ready' : 4401);
    expect(await signIn({ ...withId('t-1'), org: 'globex' })).toBe('ready');
  });

  test('counts again once its revocation was lifted, or has expired', async () => {
    await revoke('user', 'ann');
    await revoke('user', 'ann', { before: 0, expiresAt: scene.clock.now() });
    expect(await signIn(EARLIER)).toBe('ready');
    await revoke('user', 'ann', { expiresAt: scene.clock.now() + 5_000 });
    expect(await signIn(EARLIER)).toBe(4401);
    scene.clock.advance(5_000);
    expect(await signIn(EARLIER)).toBe('ready');
  });
});

describe('a connection whose token is revoked', () => {
  test('is closed with 4401 at the next tick, whatever carries it, and others stay', async () => {
    const { target } = scene;
    const own = await Promise.all([
      target.open(EARLIER),
      target.openHttp(EARLIER, { transport: 'sse' }),
      target.openHttp(EARLIER, { transport: 'poll' }),
    ]);
    const others = await Promise.all([target.open(LATER), target.open({ ...EARLIER, user: 'bob' })]);
    await revoke('user', 'ann');
    for (const client of own)
      expect(await client.closed).toEqual({ code: 4401, reason: 'the token was revoked' });
    for (const client of others) expect(await codeOf(client, { type: 'ping' })).toBe('ok');
  });

  test('stays if it brought a newer one before', async () => {
    const client = await scene.target.open(EARLIER);
    await askOk(client, { type: 'auth', token: tokenOf(LATER) });
    await revoke('user', 'ann');
    expect(await codeOf(client, { type: 'subscribe', session: 's1' })).toBe('ok');
  });

  test('is closed on the AI SDK’s socket too', async () => {
    const chat = await ChatSocket.open(scene.target, { token: tokenOf(EARLIER) });
    const asked = chat.send([said('Why?')]);
    await chat.reply(asked, 'start');
    await revoke('user', 'ann');
    expect(await chat.closed).toBe(4401);
  });

  test('ends as a stream of events with `unauthorized`', async () => {
    const { target } = scene;
    const client = await target.open({ user: 'bob' });
    await askOk(client, { type: 'prompt', session: 's1', generation: 'g1', input: 'x' });
    const paths = ['/v1/sessions/s1/events', `${pathOf('s1', 'g1')}/events`];
    const streams = await Promise.all(paths.map((path) => openStream(target, path, { as: EARLIER })));
    await revoke('user', 'ann');
    for (const stream of streams) {
      await stream.closed;
      expect(stream.frames('error')).toMatchObject([
        { code: 'unauthorized', message: 'the token was revoked' },
      ]);
    }
  });

  test.each([
    ['/v1/chat/completions', { messages: [{ role: 'user', content: 'x' }] }],
    ['/v1/responses', { input: 'x' }],
  ])('ends as a stream of %s before its first token', async (path, asking) => {
    const { target } = scene;
    const asked = request(target, path, {
      ...{ as: EARLIER, method: 'POST' },
      body: { model: 'm1', ...asking, stream: true },
    });
    await waitFor(() => target.edge.tally.connections.get('sse') === 1, { what: 'the stream' });
    await revoke('user', 'ann');
    const { status, text } = await asked;
    expect([path, status, text]).toEqual([
      path,
      expect.any(Number),
      expect.stringContaining('the token was revoked'),
    ]);
  });

  test('is answered 401 where it waits for the end of a generation', async () => {
    const { target } = scene;
    const client = await target.open({ user: 'bob' });
    await askOk(client, { type: 'prompt', session: 's1', generation: 'g1', input: 'x' });
    const waits = [
      request(target, `${pathOf('s1', 'g1')}?wait=60`, { as: EARLIER }),
      request(target, '/v1/chat/completions', {
        ...{ as: EARLIER, method: 'POST' },
        body: { model: 'm1', messages: [{ role: 'user', content: 'x' }] },
      }),
    ];
    await waitFor(() => target.edge.tally.connections.get('wait') === 2, { what: 'two that wait' });
    await revoke('user', 'ann');
    scene.clock.advance(500);
    for (const { status } of await Promise.all(waits)) expect(status).toBe(401);
  });
});

describe('a session that was closed to older tokens', () => {
  const isLeft = (client: RawClient): unknown =>
    client.frames('error').map(({ code, session }) => `${code} ${session}`);

  test('is left by those who watch it, and does not exist for them any more', async () => {
    const { target } = scene;
    const client = await target.open(EARLIER);
    const newer = await target.open(LATER);
    for (const session of ['s1', 's2']) {
      await askOk(client, { type: 'subscribe', session });
      await askOk(newer, { type: 'subscribe', session });
    }
    await revoke('session', 's1');
    await waitFor(() => client.frames('error').length > 0, { what: 'the news' });
    target.edge.tick();
    await settled(client);
    expect(isLeft(client)).toEqual(['not_found s1']);
    expect(isLeft(newer)).toEqual([]);
    expect(await codeOf(client, { type: 'subscribe', session: 's1' })).toBe('not_found');
    expect(await codeOf(client, { type: 'subscribe', session: 's2' })).toBe('ok');
    await ask(newer, { type: 'message', session: 's1', message: newId(), text: 'secret' });
    await settled(client);
    expect(JSON.stringify(client.frames())).not.toContain('secret');
  });

  test('ends its streams of events and its waits, and is left on the AI SDK’s socket', async () => {
    const { target } = scene;
    const bob = await target.open({ ...LATER, user: 'bob' });
    await askOk(bob, { type: 'prompt', session: 's1', generation: 'g1', input: 'x' });
    const stream = await openStream(target, '/v1/sessions/s1/events', { as: EARLIER });
    const wait = request(target, `${pathOf('s1', 'g1')}?wait=60`, { as: EARLIER });
    const chat = await ChatSocket.open(target, { token: tokenOf(EARLIER) });
    const asked = chat.send([said('Why?')], { id: 's1' });
    await chat.reply(asked, 'start');
    await waitFor(() => target.edge.tally.connections.get('wait') === 1, { what: 'one that waits' });
    await revoke('session', 's1');
    scene.clock.advance(500);
    await stream.closed;
    expect(stream.frames('error')).toMatchObject([{ code: 'not_found' }]);
    expect((await wait).status).toBe(404);
    await chat.reply(asked, 'error');
    expect(chat.socket.readyState).toBe(chat.socket.OPEN);
  });
});

describe('an edge', () => {
  test('knows from its start what was revoked before', async () => {
    await scene.world.bus.revocations.put(revocation('user', 'ann'));
    scene.target = await scene.world.addEdge({ clock: scene.clock });
    expect(await signIn(EARLIER)).toBe(4401);
  });

  /** An edge that hears nothing, as one that NATS does not reach. */
  const deafEdge = async (): Promise<void> => {
    scene.target = await scene.world.addEdge({
      clock: scene.clock,
      prepare: ({ bus }) => {
        const watch = () => Promise.resolve({ close: () => undefined });
        Object.assign(bus.revocations, { watch });
      },
    });
  };

  test.each(['a reconnect', '30 s'])('that missed a revocation learns of it after %s', async (after) => {
    await deafEdge();
    const client = await scene.target.open({ ...EARLIER, ttlS: 86_400 });
    await scene.world.bus.revocations.put(revocation('user', 'ann'));
    expect(await signIn(EARLIER)).toBe('ready');
    if (after === 'a reconnect') scene.target.recording.reconnect();
    else scene.clock.advance(30_000);
    scene.target.edge.tick();
    await waitFor(async () => (await signIn(EARLIER)) === 4401, { what: 'the refusal' });
    scene.target.edge.tick();
    expect((await client.closed).code).toBe(4401);
  });

  test('that NATS does not reach goes by what it knows, and says that it asks in vain', async () => {
    await revoke('user', 'ann');
    scene.target.recording.isDown = true;
    scene.clock.advance(31_000);
    scene.target.edge.tick();
    const isTold = (): boolean => scene.target.logs.some((line) => line.includes('revocations_unread'));
    await waitFor(isTold, { what: 'the line in the log' });
    expect(await signIn(EARLIER)).toBe(4401);
    expect(await signIn({ ...EARLIER, user: 'bob' })).toBe('ready');
  });
});
