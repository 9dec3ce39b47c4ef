/** What a client may rely on whatever carries its frames: the same tests over each transport. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { checkTranscript, ManualClock, waitFor } from '@sluice/testkit';
import type { MintOptions, RawClient } from '@sluice/testkit';
import { ask, askOk, codeOf, keyOf, newId, settled, textOf, until } from '../support/asking.ts';
import type { FakeRun } from '../support/fake-worker.ts';
import { createWorld, tokenOf } from '../support/world.ts';
import type { EdgeSetup, TestEdge, World } from '../support/world.ts';

let world: World;
let clock: ManualClock;
beforeEach(() => {
  world = createWorld();
  clock = new ManualClock(Date.now());
});
afterEach(() => world.close());

describe.each(['websocket', 'sse', 'poll'] as const)('over %s', (transport) => {
  const edge = (setup: EdgeSetup = {}): Promise<TestEdge> => world.addEdge({ clock, ...setup });
  const openOn = (target: TestEdge, as: Partial<MintOptions> = {}): Promise<RawClient> =>
    transport === 'websocket' ? target.open(as) : target.openHttp(as, { transport });

  /** A client that has prompted, and the run of its generation. */
  const prompted = async (
    target: TestEdge,
    frame: object = {},
  ): Promise<{ client: RawClient; run: FakeRun; generation: string }> => {
    const worker = await world.addWorker();
    const client = await openOn(target);
    const generation = newId();
    await askOk(client, { type: 'subscribe', session: 's', ...frame });
    await askOk(client, { type: 'prompt', session: 's', generation, input: 'x' });
    const run = await worker.claim(keyOf('s', generation));
    await run.serve();
    return { client, run, generation };
  };

  test('a prompt is answered, and its tokens come in order, then its end', async () => {
    const { client, run, generation } = await prompted(await edge());
    await run.write('one ', 'two ', { kind: 'reasoning', text: 'hm' }, 'thr', 'ee');
    await run.end();
    const end = await client.nextFrame('end');
    expect(end).toMatchObject({ generation, epoch: 0, seq: 5, reason: 'stop' });
    const report = checkTranscript(generation, [{ frames: client.frames() }]);
    expect(report).toMatchObject({ text: 'one two three', reasoning: 'hm', violations: [], ends: 1 });
  });

  test('requests are answered once each, in the order they were made', async () => {
    const client = await openOn(await edge());
    for (let i = 0; i < 50; i += 1)
      client.send({ type: 'message', id: `m${i}`, session: 's', message: `m${i}`, text: 'x' });
    await client.nextFrame((frame) => frame.type === 'ok' && frame.re === 'm49');
    expect(client.frames('ok').map(({ re }) => re)).toEqual(Array.from({ length: 50 }, (_, i) => `m${i}`));
  });

  test('a client that comes back gets what follows its position, on another edge too', async () => {
    const [first, second] = [await edge(), await edge()];
    const { client, run, generation } = await prompted(first);
    await run.write('a', 'b', 'c');
    await waitFor(() => textOf(client, generation) === 'abc', { what: 'three tokens' });
    client.terminate();
    await run.write('d', 'e');
    const given = { epoch: 0, seq: 3 };
    const back = await openOn(second);
    await askOk(back, { type: 'subscribe', session: 's', positions: { [generation]: given } });
    await run.write('f');
    await run.end();
    await back.nextFrame('end');
    const parts = [{ frames: client.frames() }, { frames: back.frames(), given }];
    expect(checkTranscript(generation, parts)).toMatchObject({
      text: 'abcdef',
      wireDuplicates: 0,
      violations: [],
    });
    expect(textOf(back, generation)).toBe('def');
  });

  test('out of credit nothing more comes; an ack brings the rest as one frame, and reaches the worker', async () => {
    const { client, run, generation } = await prompted(await edge(), { window: 2 });
    await run.write('a');
    await waitFor(() => textOf(client, generation) === 'a', { what: 'the first frame' });
    await run.write('b');
    await waitFor(() => textOf(client, generation) === 'ab', { what: 'the second frame' });
    await run.write('c', 'd', 'e');
    await settled(client);
    expect(client.frames('delta')).toHaveLength(2);
    client.send({ type: 'ack', session: 's', generation, epoch: 0, seq: 2 });
    await waitFor(() => textOf(client, generation) === 'abcde', { what: 'the rest' });
    expect(client.frames('delta')).toHaveLength(3);
    await waitFor(() => run.acks.some(({ seq }) => seq === 2), { what: 'the ack at the worker' });
    expect(run.acks.at(-1)).toMatchObject({ seq: 2, viewers: 1 });
  });

  test('a cancel reaches the worker', async () => {
    const { client, run, generation } = await prompted(await edge());
    expect(await codeOf(client, { type: 'cancel', session: 's', generation })).toBe('ok');
    expect(run.cancels).toEqual(['ann']);
  });

  test('those who watch see each other come and go, and hear each other', async () => {
    const target = await edge();
    const [ann, bob] = [await openOn(target), await openOn(target, { user: 'bob' })];
    await askOk(ann, { type: 'subscribe', session: 's' });
    await askOk(bob, { type: 'subscribe', session: 's' });
    expect(await ann.nextFrame('presence')).toMatchObject({ viewers: 2, joined: { user: 'bob' } });
    bob.send({ type: 'signal', session: 's', data: { typing: true } });
    expect(await ann.nextFrame('signal')).toMatchObject({ user: 'bob', data: { typing: true } });
    bob.close();
    expect(await ann.nextFrame('presence')).toMatchObject({ viewers: 1, left: { user: 'bob' } });
  });

  test('a refreshed token keeps the connection; one of somebody else does not get in', async () => {
    const client = await openOn(await edge({ heartbeatMs: 1e9 }), { ttlS: 120 });
    const stranger = tokenOf({ user: 'eve' });
    expect(await codeOf(client, { type: 'auth', token: stranger })).toBe('forbidden');
    const token = tokenOf({ ttlS: 600 });
    expect(await codeOf(client, { type: 'auth', token })).toBe('ok');
    if ('useToken' in client) (client as { useToken(token: string): void }).useToken(token);
    clock.advance(125_000);
    expect(await codeOf(client, { type: 'ping' })).toBe('ok');
  });

  test('a token that ends is announced, and ends the connection with 4401', async () => {
    const client = await openOn(await edge({ heartbeatMs: 1e9 }), { ttlS: 61 });
    const { expiresAt } = await until(client, (frame) => frame.type === 'ready');
    clock.advance(expiresAt - 59_000 - clock.now());
    expect(await client.nextFrame('expiring')).toEqual({ type: 'expiring', expiresAt });
    clock.advance(59_000);
    expect(await client.closed).toEqual({ code: 4401, reason: 'the token has expired' });
  });

  test.each([
    ['what is no frame', '{', 'bad_frame'],
    ['a field that is malformed', { type: 'subscribe', session: 'a.b' }, 'bad_frame'],
    ['what is not there', { type: 'cancel', session: 's', generation: 'none' }, 'not_found'],
    ['what is not allowed', { type: 'subscribe', session: 'theirs' }, 'not_found'],
    ['what is too large', { type: 'signal', session: 'mine', data: 'x'.repeat(5_000) }, 'too_large'],
  ])('%s is refused, and the connection lives on', async (_name, frame, code) => {
    const client = await openOn(await edge(), { sessions: ['s', 'mine'] });
    await askOk(client, { type: 'subscribe', session: 'mine' });
    client.send(frame);
    expect(await client.nextFrame('error')).toMatchObject({ code });
    expect(await codeOf(client, { type: 'ping' })).toBe('ok');
  });

  test('another prompt under the same id is a conflict', async () => {
    const { client, generation } = await prompted(await edge());
    const other = { type: 'prompt', session: 's', generation, input: 'other' };
    expect(await ask(client, other)).toMatchObject({ code: 'conflict', retryable: false });
  });

  test('three frames that are none of the protocol close with 4400', async () => {
    const client = await openOn(await edge());
    for (let i = 0; i < 3; i += 1) client.send({ type: 'colour' });
    expect((await client.closed).code).toBe(4400);
    expect(client.frames('error')).toHaveLength(3);
  });

  test('a frame over the limit closes with 4409', async () => {
    const client = await openOn(await edge());
    const { limits } = await until(client, (frame) => frame.type === 'ready');
    client.send({ type: 'signal', session: 's', data: 'x'.repeat(limits.maxFrameBytes) });
    expect((await client.closed).code).toBe(4409);
  });

  test('frames beyond the limit are rate_limited, and close with 4429 when they do not stop', async () => {
    const client = await openOn(await edge({ maxFramesPerSecond: 10 }));
    for (let i = 0; i < 31; i += 1) client.send({ type: 'ping' });
    expect((await client.closed).code).toBe(4429);
    expect(client.frames('pong')).toHaveLength(10);
    expect(client.frames('error').every(({ code }) => code === 'rate_limited')).toBe(true);
  });

  test('one connection too many of a user closes with 1013', async () => {
    const target = await edge({ maxConnectionsPerUser: 1 });
    const first = await openOn(target);
    await expect(openOn(target)).rejects.toThrow('close 1013');
    first.close();
    await waitFor(
      () =>
        openOn(target).then(
          (client) => client,
          () => undefined,
        ),
      { what: 'room for one' },
    );
  });

  test('an edge that drains says when to come back, then closes with 1012', async () => {
    const target = await edge();
    const client = await openOn(target);
    const drained = target.edge.drain(200);
    expect((await client.nextFrame('goaway')).reconnectMs).toBeLessThanOrEqual(200);
    expect(await client.closed).toEqual({ code: 1012, reason: 'the server restarts' });
    await drained;
  });

  test('an edge that closes says 1012', async () => {
    const target = await edge();
    const client = await openOn(target);
    await target.edge.close();
    expect((await client.closed).code).toBe(1012);
  });
});
