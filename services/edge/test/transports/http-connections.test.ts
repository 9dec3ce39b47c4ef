/** What is particular to connections over HTTP; the rest is in contract.test.ts. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ManualClock, openEventStream, waitFor } from '@sluice/testkit';
import type { RawHttpClient } from '@sluice/testkit';
import { askOk, codeOf, keyOf, newId, settled, textOf } from '../support/asking.ts';
import { codeIn, request } from '../support/http.ts';
import type { Answer } from '../support/http.ts';
import { createWorld, tokenOf } from '../support/world.ts';
import type { TestEdge, World } from '../support/world.ts';

const FRAMES = { 'content-type': 'application/x-ndjson' };
const PING = '{"type":"ping"}';

let world: World;
let clock: ManualClock;
let target: TestEdge;
beforeEach(async () => {
  world = createWorld();
  clock = new ManualClock(Date.now());
  target = await world.addEdge({ clock });
});
afterEach(() => world.close());

/** Opens a polled connection by hand: nothing is asked of it but what the test asks. */
const openPolled = async (edge = target): Promise<{ path: string; poll(after: number): Promise<Answer> }> => {
  const opened = await request(edge, '/v1/connections', { method: 'POST' });
  expect(opened.status).toBe(201);
  const path = `/v1/connections/${(opened.body as { connection: string }).connection}`;
  return { path, poll: (after) => request(edge, `${path}/frames?after=${after}`) };
};

const post = (path: string, after: number, body: string, as = {}, edge = target): Promise<Answer> =>
  request(edge, `${path}/frames?after=${after}`, { method: 'POST', body, headers: FRAMES, as });

const typesIn = ({ text }: Answer): string[] =>
  text === '' ? [] : text.split('\n').map((line) => (JSON.parse(line) as { type: string }).type);

const viewersOf = (client: RawHttpClient): number | undefined => client.frames('presence').at(-1)?.viewers;

describe('a connection over HTTP', () => {
  test('has a name that is not the one others see, and 192 random bits', async () => {
    const [one, two] = [await target.openHttp(), await target.openHttp({}, { transport: 'poll' })];
    for (const { connection, frames } of [one, two]) {
      expect(connection).toMatch(/^edge-1\.[\w-]{32}$/);
      expect(frames('ready')[0]?.connection).not.toContain(connection.slice(7));
    }
    expect(one.connection).not.toBe(two.connection);
  });

  test.each([
    ['another user', { user: 'eve' }],
    ['another org', { org: 'globex' }],
  ])('does not exist for %s', async (_name, as) => {
    const client = await target.openHttp();
    const path = `/v1/connections/${client.connection}`;
    const answers = [
      await post(path, 0, PING, as),
      await request(target, `${path}/frames?after=0`, { as }),
      await request(target, path, { method: 'DELETE', as }),
    ];
    expect(answers.map(codeIn)).toEqual(['not_found', 'not_found', 'not_found']);
    expect(await codeOf(client, { type: 'ping' })).toBe('ok');
  });

  test.each(['edge-1.x', 'edge-9.x', 'edge-1', '.', '*.x', 'edge-1.a.b', `${'e'.repeat(65)}.x`])(
    'named %s does not exist',
    async (name) => {
      expect(codeIn(await post(`/v1/connections/${name}`, 0, PING))).toBe('not_found');
    },
  );

  test('needs a token, and room', async () => {
    const bare = await request(target, '/v1/connections', { as: undefined });
    expect([bare.status, codeIn(bare)]).toEqual([401, 'unauthorized']);
    const small = await world.addEdge({ maxConnections: 1 });
    const first = await small.openHttp();
    for (const method of ['GET', 'POST']) {
      const full = await request(small, '/v1/connections', { method });
      expect([full.status, codeIn(full), full.headers.get('retry-after')]).toEqual([503, 'unavailable', '2']);
    }
    first.close();
    await waitFor(() => small.openHttp().catch(() => undefined), { what: 'room for one' });
  });

  test('takes each frame once, however often it is sent, and none out of order', async () => {
    const client = await target.openHttp();
    const path = `/v1/connections/${client.connection}`;
    expect((await post(path, 0, `${PING}\n${PING}\n`)).status).toBe(204);
    expect((await post(path, 0, `${PING}\n${PING}`)).status).toBe(204);
    expect((await post(path, 1, `${PING}\n${PING}\n${PING}`)).status).toBe(204);
    expect(codeIn(await post(path, 5, PING))).toBe('conflict');
    await waitFor(() => client.frames('pong').length >= 4, { what: 'the pongs' });
    expect((await post(path, 4, '{"type":"ping","id":"last"}')).status).toBe(204);
    await client.nextFrame('ok');
    expect(client.frames('pong')).toHaveLength(5);
  });

  test('refuses a body that is too large, or none of frames', async () => {
    const client = await target.openHttp();
    const path = `/v1/connections/${client.connection}`;
    const large = await post(path, 0, 'x'.repeat(600 * 1024));
    expect([large.status, codeIn(large)]).toEqual([413, 'too_large']);
    const json = await request(target, `${path}/frames?after=0`, { method: 'POST', body: { type: 'ping' } });
    expect([json.status, codeIn(json)]).toEqual([400, 'bad_frame']);
    expect((await post(path, -1, PING)).status).toBe(400);
    expect(await codeOf(client, { type: 'ping' })).toBe('ok');
  });

  test('that says nothing for three heartbeats is closed with 4008', async () => {
    const client = await target.openHttp();
    clock.advance(59_000);
    expect(await codeOf(client, { type: 'ping' })).toBe('ok');
    clock.advance(59_999);
    target.edge.tick();
    expect(target.edge.tally.closes.size).toBe(0);
    clock.advance(1);
    expect((await client.closed).code).toBe(4008);
  });

  test('is left at once by DELETE, and by hanging up', async () => {
    const ann = await target.openHttp({ user: 'ann' });
    await askOk(ann, { type: 'subscribe', session: 's' });
    const leave: ((client: RawHttpClient) => void)[] = [
      (client) => client.close(),
      (client) => client.terminate(),
    ];
    for (const by of leave) {
      const bob = await target.openHttp({ user: 'bob' });
      await askOk(bob, { type: 'subscribe', session: 's' });
      await waitFor(() => viewersOf(ann) === 2, { what: 'bob' });
      by(bob);
      await waitFor(() => viewersOf(ann) === 1, { what: 'bob to leave' });
    }
  });
});

describe('a stream', () => {
  test('is told to nobody but the client, and kept alive', async () => {
    const stream = await openEventStream(`${target.edge.url}/v1/connections`, { token: tokenOf() });
    expect(stream.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
    });
    await waitFor(() => stream.events.length === 2, { what: '`open` and `ready`' });
    expect(stream.events.map(({ data }) => (JSON.parse(data ?? '') as { type: string }).type)).toEqual([
      'open',
      'ready',
    ]);
    clock.advance(15_000);
    await waitFor(() => stream.events.some(({ comment }) => comment === 'keep-alive'), { what: 'a comment' });
    stream.close();
  });

  test('is not polled', async () => {
    const client = await target.openHttp();
    const answer = await request(target, `/v1/connections/${client.connection}/frames?after=0`);
    expect([answer.status, codeIn(answer)]).toEqual([409, 'conflict']);
  });
});

describe('a polled connection', () => {
  test('gives what was not confirmed again, and drops what was', async () => {
    const { path, poll } = await openPolled();
    const first = await poll(0);
    expect(typesIn(first)).toEqual(['ready']);
    expect((await poll(0)).text).toBe(first.text);
    await post(path, 0, PING);
    expect(typesIn(await poll(1))).toEqual(['pong']);
    for (const after of [0, 3]) expect(codeIn(await poll(after))).toBe('conflict');
    expect(typesIn(await poll(1))).toEqual(['pong']);
  });

  test('answers with nothing after 25 s, and a second poll answers the first', async () => {
    const { poll } = await openPolled();
    await poll(0);
    const answered: Answer[] = [];
    const polling = [poll(1), poll(1)].map(async (answer) => void answered.push(await answer));
    await waitFor(() => answered.length === 1, { what: 'an answer to the first' });
    await waitFor(
      () => {
        clock.advance(5_000);
        return answered.length === 2;
      },
      { what: 'an answer to the second' },
    );
    await Promise.all(polling);
    expect(answered.map(({ status, text }) => [status, text])).toEqual([
      [200, ''],
      [200, ''],
    ]);
  });

  test('that nobody polls for 10 s is gone, and not before', async () => {
    const ann = await target.openHttp({ user: 'ann' });
    await askOk(ann, { type: 'subscribe', session: 's' });
    const { path, poll } = await openPolled();
    await poll(0);
    await post(path, 0, '{"type":"subscribe","session":"s"}');
    expect(typesIn(await poll(1))).toEqual(['subscribed']);
    await waitFor(() => viewersOf(ann) === 2, { what: 'a second viewer' });
    clock.advance(9_000);
    expect(typesIn(await poll(1))).toEqual(['subscribed']);
    clock.advance(9_999);
    target.edge.tick();
    await settled(ann);
    expect(viewersOf(ann)).toBe(2);
    clock.advance(1);
    await waitFor(() => viewersOf(ann) === 1, { what: 'it to be gone' });
    expect(codeIn(await poll(2))).toBe('not_found');
  });

  test('gets what was due meanwhile as one frame, however many tokens', async () => {
    const worker = await world.addWorker();
    const client = await target.openHttp({}, { transport: 'poll' });
    const generation = newId();
    await askOk(client, { type: 'prompt', session: 's', generation, input: 'x' });
    const run = await worker.claim(keyOf('s', generation));
    await run.write('a');
    await waitFor(() => textOf(client, generation) === 'a', { what: 'the first token' });
    client.pause();
    const tokens = Array.from({ length: 500 }, (_, i) => `${i} `);
    await run.write(...tokens);
    client.resume();
    await waitFor(() => textOf(client, generation) === `a${tokens.join('')}`, { what: 'all tokens' });
    // One that filled the waiting poll, one for all the rest.
    expect(client.frames('delta').length).toBeLessThanOrEqual(4);
  });

  test('says why it was closed, once', async () => {
    const { path, poll } = await openPolled();
    await post(path, 0, '{"type":"x"}\n{"type":"y"}\n{"type":"z"}');
    const last = await poll(0);
    expect(typesIn(last)).toEqual(['ready', 'error', 'error', 'error', 'close']);
    expect(codeIn(await poll(5))).toBe('not_found');
  });
});

describe('through another edge', () => {
  let other: TestEdge;
  beforeEach(async () => {
    other = await world.addEdge();
  });

  test.each(['sse', 'poll'] as const)('frames go both ways, over %s', async (transport) => {
    const worker = await world.addWorker();
    const client = await target.openHttp({}, { transport, via: other.edge.url });
    const generation = newId();
    await askOk(client, { type: 'prompt', session: 's', generation, input: 'x' });
    const run = await worker.claim(keyOf('s', generation));
    await run.write(...Array.from({ length: 30 }, (_, i) => `${i} `));
    await run.end();
    await client.nextFrame('end');
    expect(textOf(client, generation)).toMatch(/^0 1 2 .*28 29 $/);
    await settled(client);
    client.close();
    await waitFor(async () => (await post(`/v1/connections/${client.connection}`, 0, PING)).status === 404, {
      what: 'the connection to be over',
    });
  });

  test('it is still one user’s', async () => {
    const client = await target.openHttp();
    const path = `/v1/connections/${client.connection}`;
    expect(codeIn(await post(path, 0, PING, { user: 'eve' }, other))).toBe('not_found');
    expect(codeIn(await post(path, 9, PING, {}, other))).toBe('conflict');
    expect((await post(path, 0, PING, {}, other)).status).toBe(204);
    await client.nextFrame('pong');
  });

  test('one of an edge that is gone does not exist, at once', async () => {
    const { path } = await openPolled();
    await target.edge.close();
    const asked = performance.now();
    expect(codeIn(await post(path, 0, PING, {}, other))).toBe('not_found');
    expect(codeIn(await request(other, `${path}/frames?after=1`))).toBe('not_found');
    expect(performance.now() - asked).toBeLessThan(1_500);
  });

  test('while NATS is away it is unavailable', async () => {
    const { path } = await openPolled();
    other.recording.isDown = true;
    const answer = await post(path, 0, PING, {}, other);
    expect([answer.status, codeIn(answer)]).toEqual([503, 'unavailable']);
    other.recording.isDown = false;
    expect((await post(path, 0, PING, {}, other)).status).toBe(204);
  });
});

test('an edge that drains opens no more', async () => {
  const drained = target.edge.drain(0);
  for (const transport of ['sse', 'poll'] as const)
    await expect(target.openHttp({}, { transport })).rejects.toThrow(/503|fetch failed/);
  await drained;
});
