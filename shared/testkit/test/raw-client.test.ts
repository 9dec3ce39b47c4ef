import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';
import { openRawClient, Queue, UpgradeRefusedError, waitFor } from '../src/index.ts';

type Accepted = { readonly socket: WebSocket; readonly request: IncomingMessage };

let http: Server;
let accepted: Queue<Accepted>;
let url: string;

beforeEach(async () => {
  accepted = new Queue<Accepted>('an upgrade');
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => 'sluice.v1' });
  http = createServer();
  http.on('upgrade', (request, socket, head) => {
    if (request.url === '/refused') {
      socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 6\r\nconnection: close\r\n\r\norigin');
      return;
    }
    sockets.handleUpgrade(request, socket, head, (opened) => {
      opened.send(JSON.stringify({ type: 'ready', connection: 'c1' }));
      accepted.push({ socket: opened, request });
    });
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  url = `ws://127.0.0.1:${(http.address() as AddressInfo).port}`;
});
afterEach(async () => {
  for (const { socket } of accepted.drain()) socket.terminate();
  http.closeAllConnections();
  await new Promise((resolve) => http.close(resolve));
});

const say = ({ socket }: Accepted, ...frames: object[]): void => {
  for (const frame of frames) socket.send(JSON.stringify(frame));
};

describe('credentials', () => {
  test('the token is offered as a subprotocol by default', async () => {
    const client = await openRawClient(url, { token: 'a.b.c' });
    const { request, socket } = await accepted.next();
    expect(request.headers['sec-websocket-protocol']).toBe('sluice.v1,bearer.a.b.c');
    expect(request.headers.authorization).toBeUndefined();
    expect(client.protocol).toBe('sluice.v1');
    socket.terminate();
  });

  test('or sent as Authorization, or not at all', async () => {
    await openRawClient(url, { token: 'a.b.c', auth: 'header', headers: { origin: 'https://app.test' } });
    const { request, socket } = await accepted.next();
    expect(request.headers).toMatchObject({ authorization: 'Bearer a.b.c', origin: 'https://app.test' });
    expect(request.headers['sec-websocket-protocol']).toBe('sluice.v1');
    socket.terminate();
    await openRawClient(url, { token: 'a.b.c', auth: 'none' });
    const second = await accepted.next();
    expect(JSON.stringify(second.request.headers)).not.toContain('a.b.c');
    second.socket.terminate();
  });

  test('a refused upgrade tells status and body', async () => {
    const refused = await openRawClient(`${url}/refused`).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(UpgradeRefusedError);
    expect(refused).toMatchObject({ status: 403, body: 'origin' });
  });
});

describe('frames', () => {
  test('nextFrame finds what came before it was called, in order', async () => {
    const client = await openRawClient(url);
    const server = await accepted.next();
    say(server, { type: 'ok', re: '1' }, { type: 'pong' }, { type: 'ok', re: '2' });
    await waitFor(() => client.transcript.length === 4, { what: 'four frames' });
    expect((await client.nextFrame('ok')).re).toBe('1');
    expect((await client.nextFrame('ok')).re).toBe('2');
    expect(client.frames().map(({ type }) => type)).toEqual(['ready', 'ok', 'pong', 'ok']);
    expect(client.frames('ok').map(({ re }) => re)).toEqual(['1', '2']);
    server.socket.terminate();
  });

  test('nextFrame waits for what comes later, also by predicate', async () => {
    const client = await openRawClient(url);
    const server = await accepted.next();
    const waiting = client.nextFrame((frame) => frame.type === 'ok' && frame.re === '2');
    say(server, { type: 'ok', re: '1' }, { type: 'ok', re: '2' });
    expect(await waiting).toEqual({ type: 'ok', re: '2' });
    server.socket.terminate();
  });

  test('a timeout and a close name what was passed over', async () => {
    const client = await openRawClient(url);
    const server = await accepted.next();
    await expect(client.nextFrame('end', 50)).rejects.toThrow(/frame `end` after \[ready\] within 50 ms/);
    const waiting = client.nextFrame('end');
    server.socket.close(4401, 'expired');
    await expect(waiting).rejects.toThrow(/got close 4401 expired/);
    expect(await client.closed).toEqual({ code: 4401, reason: 'expired' });
  });

  test('records frames raw, with their time, even when they are no JSON', async () => {
    const client = await openRawClient(url);
    const server = await accepted.next();
    const before = Date.now();
    server.socket.send('{"type":"pong" }');
    server.socket.send('not json');
    server.socket.send(Buffer.from('{}'));
    await waitFor(() => client.transcript.length === 4, { what: 'four frames' });
    expect(client.transcript.slice(1).map(({ raw, isBinary }) => [raw, isBinary])).toEqual([
      ['{"type":"pong" }', false],
      ['not json', false],
      ['{}', true],
    ]);
    expect(client.transcript[2]?.frame).toBeUndefined();
    expect(Math.abs((client.transcript[1]?.at ?? 0) - before)).toBeLessThan(5_000);
    server.socket.terminate();
  });

  test('sends objects as JSON, strings as they are, and binary when asked', async () => {
    const text = await openRawClient(url);
    const first = await accepted.next();
    const got = new Queue<[string, boolean]>();
    first.socket.on('message', (data, isBinary) => got.push([(data as Buffer).toString(), isBinary]));
    text.send({ type: 'ping' });
    text.send('{broken');
    expect([await got.next(), await got.next()]).toEqual([
      ['{"type":"ping"}', false],
      ['{broken', false],
    ]);
    const binary = await openRawClient(url, { binary: true });
    const second = await accepted.next();
    second.socket.on('message', (data, isBinary) => got.push([(data as Buffer).toString(), isBinary]));
    binary.send({ type: 'ping' });
    expect(await got.next()).toEqual(['{"type":"ping"}', true]);
    first.socket.terminate();
    second.socket.terminate();
  });
});

test('a paused client reads nothing until it is resumed', async () => {
  const client = await openRawClient(url);
  const server = await accepted.next();
  await client.nextFrame('ready');
  client.pause();
  const block = 'x'.repeat(1024 * 1024);
  for (let i = 0; i < 32; i += 1) server.socket.send(JSON.stringify({ type: 'signal', data: block }));
  await waitFor(() => server.socket.bufferedAmount > 1024 * 1024, { what: 'a full sender' });
  expect(client.frames('signal')).toHaveLength(0);
  client.resume();
  await waitFor(() => client.frames('signal').length === 32, { timeoutMs: 10_000, what: 'all frames' });
  server.socket.terminate();
});

test('terminate ends without a closing handshake', async () => {
  const client = await openRawClient(url);
  const server = await accepted.next();
  const closed = new Promise((resolve) => server.socket.once('close', resolve));
  client.terminate();
  expect(await closed).toBe(1006);
  expect((await client.closed).code).toBe(1006);
});
