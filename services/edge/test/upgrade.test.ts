import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openRawClient, UpgradeRefusedError, waitFor } from '@sluice/testkit';
import type { RawClientOptions } from '@sluice/testkit';
import { createWorld, tokenOf } from './support/world.ts';
import type { TestEdge, World } from './support/world.ts';

let world: World;
let open: TestEdge;
let fenced: TestEdge;
beforeAll(async () => {
  world = createWorld();
  open = await world.addEdge();
  fenced = await world.addEdge({ allowedOrigins: ['https://app.example', 'https://app.example:8443'] });
});
afterAll(() => world.close());

/** The HTTP status an upgrade gets: 101 where it succeeds. */
const statusOf = async (url: string, options: RawClientOptions = {}): Promise<number> => {
  try {
    const client = await openRawClient(url, { token: tokenOf(), ...options });
    client.terminate();
    return 101;
  } catch (error) {
    if (error instanceof UpgradeRefusedError) return error.status;
    throw error;
  }
};

/** Writes bytes on a new TCP connection; resolves to what came back when the edge ends it. */
const exchange = (edge: TestEdge, text: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(edge.edge.port, '127.0.0.1', () => socket.write(text));
    let received = '';
    socket.on('data', (bytes) => (received += bytes.toString()));
    socket.on('error', reject);
    socket.on('close', () => resolve(received));
  });

const strangersOf = async ({ edge }: TestEdge): Promise<number> =>
  Number(/^sluice_edge_strangers (\d+)/m.exec(await edge.metrics.registry.metrics())?.[1]);

const upgradeOf = (headers: Readonly<Record<string, string>>, host = 'host: x\r\n'): string =>
  `GET /v1/ws HTTP/1.1\r\n${host}connection: upgrade\r\nupgrade: websocket\r\n` +
  `sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: sluice.v1\r\n` +
  `${Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n`;

describe('the Origin header', () => {
  test.each([
    ['an allowed one', 'https://app.example', 101],
    ['another allowed one', 'https://app.example:8443', 101],
    ['null', 'null', 403],
    ['empty', '', 403],
    ['one with the allowed one as its prefix', 'https://app.example.evil.test', 403],
    ['one with the allowed one as its suffix', 'https://evil-app.example', 403],
    ['a subdomain', 'https://x.app.example', 403],
    ['another port', 'https://app.example:444', 403],
    ['the default port spelled out', 'https://app.example:443', 403],
    ['another scheme', 'http://app.example', 403],
    ['another case', 'https://APP.example', 403],
    ['one with a slash', 'https://app.example/', 403],
    ['one with a path', 'https://app.example/page', 403],
    ['a list', 'https://app.example https://evil.test', 403],
  ])('%s gets the right status', async (_name, origin, status) => {
    expect(await statusOf(fenced.url, { headers: { origin } })).toBe(status);
  });

  test('of a page that is not listed is refused by the name of the setting; the server’s own is taken', async () => {
    const refused = openRawClient(fenced.url, { token: tokenOf(), headers: { origin: 'https://x.test' } });
    await expect(refused).rejects.toMatchObject({
      body: expect.stringContaining('SLUICE_ALLOWED_ORIGINS'),
    });
    expect(fenced.logs.join('')).toContain('origin_refused');
    expect(await statusOf(fenced.url, { headers: { origin: fenced.edge.url } })).toBe(101);
  });

  test('may be absent, as outside browsers', async () => {
    expect(await statusOf(fenced.url)).toBe(101);
  });

  test('may be any where no list is configured', async () => {
    expect(await statusOf(open.url, { headers: { origin: 'https://anywhere.test' } })).toBe(101);
  });
});

describe('the subprotocol', () => {
  test.each([
    ['none', []],
    ['another one', ['graphql-ws']],
    ['a later version', ['sluice.v2']],
    ['one in another case', ['Sluice.V1']],
  ])('%s is refused with 400', async (_name, protocols) => {
    expect(await statusOf(open.url, { protocols, auth: 'header' })).toBe(400);
  });

  test('is found among others', async () => {
    expect(await statusOf(open.url, { protocols: ['other', 'sluice.v1'] })).toBe(101);
  });

  test('a credential alone is not a subprotocol, and is not echoed in the refusal', async () => {
    const refused = openRawClient(open.url, { protocols: [`bearer.${tokenOf()}`] });
    const error = await refused.then(
      () => undefined,
      (cause: unknown) => cause,
    );
    expect(error).toMatchObject({ status: 400 });
    expect((error as UpgradeRefusedError).body).not.toContain('bearer');
  });
});

describe('an upgrade', () => {
  test.each(['/', '/v1', '/v1/wsx', '/V1/WS', '/v2/ws', '/v1/ws%2f'])(
    'of %s is refused with 404',
    async (path) => {
      expect(await statusOf(open.url.replace('/v1/ws', path))).toBe(404);
    },
  );

  test.each(['/v1/ws/', '//v1/ws'])('of %s is one of /v1/ws', async (path) => {
    expect(await statusOf(open.url.replace('/v1/ws', path))).toBe(101);
  });

  test('over maxConnections is refused with 503 and a time to wait, until one leaves', async () => {
    const small = await world.addEdge({ maxConnections: 2 });
    const [first] = [await small.open(), await small.open()];
    expect(await statusOf(small.url)).toBe(503);
    const head = await exchange(
      small,
      'GET /v1/ws HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\r\n',
    );
    expect(head).toMatch(/^HTTP\/1\.1 503 [^]*retry-after: 2\r\n/);
    first.close();
    await waitFor(async () => (await statusOf(small.url)) === 101, { what: 'room for a connection' });
  });

  test.each(['8', '12', '14', '013', ''])('of WebSocket version %j is refused with 426', async (version) => {
    const head = await exchange(open, upgradeOf({ 'sec-websocket-version': version }));
    expect(head).toMatch(/^HTTP\/1\.1 426 [^]*sec-websocket-version: 13\r\n/);
  });

  test('without `Host` is refused with 400', async () => {
    const head = await exchange(open, upgradeOf({ 'sec-websocket-version': '13' }, ''));
    expect(head).toMatch(/^HTTP\/1\.1 400 /);
  });

  test('that is refused ends its connection, whatever was sent behind it', async () => {
    const head = 'GET /elsewhere HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n';
    const before = await strangersOf(open);
    await exchange(open, head + 'x'.repeat(100_000)).catch(() => undefined);
    await waitFor(async () => (await strangersOf(open)) <= before, { what: 'its connection to be gone' });
  });

  test('that is refused and reset at once does the edge no harm', async () => {
    const head = 'GET /elsewhere HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n';
    for (let i = 0; i < 20; i += 1) {
      await new Promise<void>((resolve) => {
        const socket = connect(open.edge.port, '127.0.0.1', () => {
          socket.write(head);
          socket.resetAndDestroy();
        });
        socket.on('error', () => undefined);
        socket.on('close', () => resolve());
      });
    }
    expect(await statusOf(open.url)).toBe(101);
  });

  test('over maxConnectionsPerUser is closed with 1013, and only that user is', async () => {
    const small = await world.addEdge({ maxConnectionsPerUser: 2 });
    const as = { user: 'two' };
    const [first] = [await small.open(as), await small.open(as)];
    const third = await openRawClient(small.url, { token: tokenOf(as) });
    expect(await third.closed).toMatchObject({
      code: 1013,
      reason: 'too many: connections of this user: 2 of 2 used',
    });
    await small.open({ user: 'bob' });
    await small.open({ org: 'globex', ...as });
    first.close(1000);
    await waitFor(async () => (await small.open(as).catch(() => undefined)) !== undefined, {
      what: 'room for a connection of the user',
    });
  });

  test('closed by the edge gives the user one connection back, not two', async () => {
    const small = await world.addEdge({ maxConnectionsPerUser: 2 });
    const as = { user: 'one-back' };
    await small.open(as);
    const second = await small.open(as);
    for (let i = 0; i < 3; i += 1) second.send('{}');
    expect((await second.closed).code).toBe(4400);
    await small.open(as);
    const third = await openRawClient(small.url, { token: tokenOf(as) });
    expect((await third.closed).code).toBe(1013);
  });
});

test('a client that sends the head of its request too slowly is cut off', async () => {
  const started = performance.now();
  const received = await exchange(open, 'GET /v1/ws HTTP/1.1\r\nhost: x\r\n');
  expect(received).toMatch(/^HTTP\/1\.1 408 /);
  expect(performance.now() - started).toBeLessThan(8_000);
});
