import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { ManualClock, openRawClient, waitFor } from '@sluice/testkit';
import type { RawClient } from '@sluice/testkit';
import { request } from './support/http.ts';
import { createWorld, tokenOf } from './support/world.ts';
import type { TestEdge, World } from './support/world.ts';

let world: World;
let clock: ManualClock;
beforeEach(() => {
  world = createWorld();
  clock = new ManualClock(Date.now());
});
afterEach(() => world.close());

const strangers = (count: number, { url }: TestEdge): Promise<RawClient[]> =>
  Promise.all(Array.from({ length: count }, () => openRawClient(url)));

const turnedAway = ({ edge }: TestEdge): Readonly<Record<string, number>> =>
  Object.fromEntries(edge.tally.turnedAway);

/** Writes bytes on a new TCP connection; resolves to what came back when the edge ends it. */
const exchange = ({ edge }: TestEdge, text: string): Promise<string> =>
  new Promise((resolve) => {
    const socket = connect(edge.port, '127.0.0.1', () => socket.write(text));
    let received = '';
    socket.on('data', (bytes) => (received += bytes.toString()));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(received));
  });

const get = (path: string, headers: Readonly<Record<string, string>> = {}): string =>
  `GET ${path} HTTP/1.1\r\nhost: x\r\n${Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n`;

describe('strangers', () => {
  test('make room for one another, the longest silent first, and none of those who signed in', async () => {
    const target = await world.addEdge({ clock, maxConnections: 2, maxStrangers: 3 });
    const [first, ...others] = await strangers(3, target);
    const user = await target.open();
    const fourth = await openRawClient(target.url);
    expect(await first?.closed).toMatchObject({ code: 1013 });
    await target.open({ user: 'bob' });
    fourth.send({ type: 'auth', token: tokenOf({ user: 'eve' }) });
    expect((await fourth.closed).code).toBe(1013);
    user.send({ type: 'ping' });
    await user.nextFrame('pong');
    // A connection that signs in is a stranger until it has sent its request.
    expect(turnedAway(target)['stranger']).toBeLessThanOrEqual(3);
    for (const client of others) client.terminate();
  });

  test('beyond those of one address are cut after a second', async () => {
    const target = await world.addEdge({ clock, maxStrangersPerAddress: 2 });
    const clients = await strangers(4, target);
    target.edge.tick();
    clock.advance(1_000);
    target.edge.tick();
    for (const client of clients.slice(0, 2)) expect((await client.closed).code).toBe(1013);
    expect(turnedAway(target)).toEqual({ stranger: 2 });
    for (const client of clients.slice(2)) client.send({ type: 'auth', token: tokenOf() });
    for (const client of clients.slice(2)) await client.nextFrame('ready');
  });

  test('that do not answer a close are cut off shortly after it', async () => {
    const target = await world.addEdge();
    const silent = await openRawClient(target.url);
    silent.pause();
    silent.send('{}');
    const isGone = async (): Promise<boolean> => {
      const text = await target.edge.metrics.registry.metrics();
      return /sluice_edge_strangers 0/.test(text);
    };
    const begun = performance.now();
    await waitFor(isGone, { what: 'the socket to be gone', timeoutMs: 8_000 });
    expect(performance.now() - begun).toBeLessThan(4_000);
    silent.terminate();
  });
});

describe('an address', () => {
  test('may ask so much without a credential, and is then told when to come back', async () => {
    const target = await world.addEdge({ clock, strangerRequestsPerMinute: 60 });
    const answers = [];
    for (let i = 0; i < 12; i += 1)
      answers.push(await exchange(target, get('/v1/models', { connection: 'close' })));
    expect(answers[0]).toMatch(/^HTTP\/1\.1 401 /);
    expect(answers.at(-1)).toBe('');
    expect(turnedAway(target)['address']).toBeGreaterThan(0);
    expect(target.logs.some((line) => line.includes('connections_turned_away'))).toBe(true);
    clock.advance(10_000);
    expect(await exchange(target, get('/v1/models', { connection: 'close' }))).toMatch(/^HTTP\/1\.1 401 /);
  });

  test('is charged for nothing while its credentials are accepted', async () => {
    const target = await world.addEdge({ clock, strangerRequestsPerMinute: 60 });
    for (let i = 0; i < 30; i += 1) expect((await request(target, '/v1/models')).status).toBe(200);
    for (let i = 0; i < 30; i += 1) (await target.open()).terminate();
    expect(turnedAway(target)).toEqual({});
  });

  test('pays ten times for a credential that is refused', async () => {
    const target = await world.addEdge({ clock, strangerRequestsPerMinute: 240 });
    const bad = get('/v1/models', { authorization: 'Bearer a.b.c', connection: 'close' });
    const answers = [];
    for (let i = 0; i < 6; i += 1) answers.push((await exchange(target, bad)).slice(9, 12));
    expect(answers).toEqual(['401', '401', '401', '401', '', '']);
  });

  test('is the one that a trusted proxy names, and never what others say', async () => {
    const setup = { clock, strangerRequestsPerMinute: 60 };
    const trusting = await world.addEdge({ ...setup, trustedProxies: ['127.0.0.0/8'] });
    const of = (address: string): Promise<string> =>
      exchange(trusting, get('/v1/models', { 'x-forwarded-for': address, connection: 'close' }));
    for (let i = 0; i < 10; i += 1) expect(await of('6.6.6.6, 203.0.113.7')).toMatch(/ 401 /);
    expect(await of('203.0.113.7')).toMatch(/ 429 [^]*retry-after: 10/i);
    expect(await of('203.0.113.7, 127.0.0.1')).toMatch(/ 429 /);
    expect(await of('203.0.113.8')).toMatch(/ 401 /);
    const doubting = await world.addEdge(setup);
    const answers = [];
    for (let i = 0; i < 12; i += 1)
      answers.push(
        await exchange(
          doubting,
          get('/v1/models', { 'x-forwarded-for': `203.0.113.${i}`, connection: 'close' }),
        ),
      );
    expect(answers.at(-1)).toBe('');
  });
});

describe('connections over HTTP', () => {
  test('that are idle are closed where places are needed', async () => {
    const target = await world.addEdge({ maxConnections: 2, maxStrangers: 2 });
    const bearer = { authorization: `Bearer ${tokenOf()}` };
    const idle: Socket[] = [];
    for (let i = 0; i < 4; i += 1) {
      const socket = connect(target.edge.port, '127.0.0.1');
      socket.on('error', () => undefined);
      idle.push(socket);
      const answered = new Promise((resolve) => socket.once('data', resolve));
      socket.write(get('/v1/models', bearer));
      await answered;
    }
    const user = await target.open();
    await waitFor(() => idle[0]?.closed === true, { what: 'the longest idle one to be closed' });
    expect(idle.slice(1).some(({ closed }) => closed)).toBe(false);
    user.terminate();
    for (const socket of idle) socket.destroy();
  });

  test('may not send a thousand requests in one piece', async () => {
    const target = await world.addEdge();
    await exchange(target, get('/v1/models').repeat(1_000));
    expect(turnedAway(target)).toEqual({ pipelined: 1 });
  });

  test('to nowhere have no body parsed', async () => {
    const target = await world.addEdge();
    const body = '{"a":';
    const answer = await request(target, '/nowhere', { method: 'POST', as: undefined, body });
    expect(answer.status).toBe(404);
  });
});

describe('descriptors', () => {
  const descriptors = async () => ({ limit: 40, used: 20 });

  test('fewer than connections that are allowed are told at the start', async () => {
    const target = await world.addEdge({ descriptors });
    const line = target.logs.find((text) => text.includes('descriptor_limit_low')) ?? '';
    expect(JSON.parse(line)).toMatchObject({ limit: 40, connections: 10 });
  });

  test('enough of them are nothing to tell', async () => {
    const target = await world.addEdge({ descriptors: async () => ({ limit: 20_000, used: 20 }) });
    expect(target.logs.some((text) => text.includes('descriptor_limit_low'))).toBe(false);
  });

  test('are kept for what is not a client’s, and it is logged when clients want more', async () => {
    const target = await world.addEdge({ descriptors });
    const users = await Promise.all(
      Array.from({ length: 10 }, (_, index) => target.open({ user: `u${index}` })),
    );
    expect(await exchange(target, get('/v1/models'))).toBe('');
    expect(turnedAway(target)).toEqual({ descriptors: 1 });
    expect(target.logs.some((text) => text.includes('"reason":"descriptors"'))).toBe(true);
    users[0]?.terminate();
    await waitFor(
      () =>
        target.open().then(
          () => true,
          () => false,
        ),
      { what: 'room for one more' },
    );
  });
});
