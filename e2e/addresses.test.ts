/** Where a client is told to connect: an address with a path in front of an edge, and one where no edge is. */
import { randomUUID } from 'node:crypto';
import { createServer, request } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { ClosedError, connect } from '@sluice/client';
import type { Client, ConnectOptions, TransportKind } from '@sluice/client';
import { SluiceChatTransport } from '@sluice/client/ai-sdk';
import { Chat } from '@ai-sdk/react';
import type { UIMessage } from 'ai';
import { SimulatedEngine } from '@sluice/simulator';
import { waitFor } from '@sluice/testkit';
import { textOf } from './support/chats.ts';
import { tokenFor } from './support/clients.ts';
import { startSystem } from './support/system.ts';
import type { System } from './support/system.ts';

const PREFIX = '/tools/sluice';
const WAYS: readonly (readonly [string, readonly TransportKind[] | undefined])[] = [
  ['WebSocket', ['websocket']],
  ['SSE', ['sse']],
  ['polling', ['poll']],
  ['whatever works', undefined],
];

let system: System;
let edgeUrl: string;
let proxy: Server;
let url: string;
const clients: Client[] = [];

/** A server of many things, of which one is an edge: it takes the prefix off, and has nothing else. */
const startPrefixProxy = async (port: number): Promise<Server> => {
  const onward = (incoming: IncomingMessage): ReturnType<typeof request> | undefined => {
    const { url: path = '', method, headers } = incoming;
    if (!path.startsWith(`${PREFIX}/`)) return undefined;
    return request({ host: '127.0.0.1', port, path: path.slice(PREFIX.length), method, headers });
  };
  const server = createServer((incoming, outgoing) => {
    const asked = onward(incoming);
    if (asked === undefined)
      return void outgoing.writeHead(404, { 'content-type': 'text/html' }).end('<h1>Not here</h1>');
    asked.on('response', (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    asked.on('error', () => outgoing.destroy());
    outgoing.on('close', () => asked.destroy());
    incoming.pipe(asked);
  });
  server.on('upgrade', (incoming, socket) => {
    socket.on('error', () => socket.destroy());
    const asked = onward(incoming);
    if (asked === undefined) return void socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n');
    asked.on('upgrade', (answer, upstream, first: Buffer) => {
      const head = Object.entries(answer.headers).map(([name, value]) => `${name}: ${String(value)}\r\n`);
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${head.join('')}\r\n`);
      socket.write(first);
      upstream.on('error', () => socket.destroy()).pipe(socket);
      socket.pipe(upstream);
      socket.on('close', () => upstream.destroy());
    });
    asked.on('error', () => socket.destroy());
    asked.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
};

beforeAll(async () => {
  system = await startSystem();
  const edge = await system.addEdge();
  edgeUrl = edge.url;
  await system.addWorker(new SimulatedEngine({ ttftMs: 0, tokensPerSecond: 0, tokens: 5 }));
  proxy = await startPrefixProxy(edge.port);
  url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
});
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
});
afterAll(async () => {
  await system.close();
  proxy.closeAllConnections();
  proxy.close();
});

const open = (options: Omit<ConnectOptions, 'token'>): Client => {
  const client = connect({ token: tokenFor('ann'), backoff: { baseMs: 5, capMs: 20 }, ...options });
  clients.push(client);
  return client;
};
const by = (transports: readonly TransportKind[] | undefined): Pick<ConnectOptions, 'transports'> =>
  transports === undefined ? {} : { transports };

describe.each(WAYS)('a client over %s', (_, transports) => {
  test('works behind a path', async () => {
    for (const path of ['', '/', '/v1/ws']) {
      const client = open({ url: `${url}${PREFIX}${path}`, ...by(transports) });
      const text = await client.session(randomUUID()).prompt('Why?').done;
      expect(text).not.toBe('');
    }
  });

  test('sends a prompt that no frame holds behind a path', async () => {
    const client = open({ url: `${url}${PREFIX}`, ...by(transports) });
    await expect(client.session(randomUUID()).prompt('x'.repeat(1_200_000)).done).resolves.not.toBe('');
  });

  test('gives up for good where there is no edge, and says what it was told', async () => {
    for (const wrong of [`${url}/elsewhere`, `${edgeUrl}/elsewhere`]) {
      const client = open({ url: wrong, ...by(transports) });
      const refused = client.session('s').prompt('Why?').done;
      await expect(refused).rejects.toBeInstanceOf(ClosedError);
      await expect(refused).rejects.toThrow(/4404: .*404/);
      expect(client.status).toMatchObject({ type: 'closed', code: 4404 });
    }
  });
});

test('a chat of the AI SDK works behind a path, and is told where there is no edge', async () => {
  const chatAt = (address: string): Chat<UIMessage> =>
    new Chat({
      id: randomUUID(),
      transport: new SluiceChatTransport({ client: open({ url: address }) }),
    });
  const chat = chatAt(`${url}${PREFIX}`);
  await chat.sendMessage({ text: 'Why?' });
  expect(textOf(chat.lastMessage)).not.toBe('');
  const lost = chatAt(`${url}/elsewhere`);
  await lost.sendMessage({ text: 'Why?' });
  expect(lost.error?.message).toContain('404');
});

test('a client that was connected once takes a 404 for an accident of the way', async () => {
  const client = open({ url: `${url}${PREFIX}`, transports: ['sse'] });
  await client.session('s').subscribe();
  const { port } = proxy.address() as AddressInfo;
  proxy.closeAllConnections();
  await new Promise<void>((resolve) => proxy.close(() => resolve()));
  const away = createServer((_, outgoing) => outgoing.writeHead(404).end());
  await new Promise<void>((resolve) => away.listen(port, '127.0.0.1', resolve));
  const is404 = (): boolean => client.status.type === 'reconnecting' && client.status.reason.includes('404');
  await waitFor(is404, { what: 'a 404', pollMs: 1 });
  away.closeAllConnections();
  await new Promise<void>((resolve) => away.close(() => resolve()));
  proxy = await startPrefixProxy(Number(new URL(edgeUrl).port));
  expect(client.status.type).not.toBe('closed');
});
