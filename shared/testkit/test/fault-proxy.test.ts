import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { deferred, Queue, startFaultProxy, waitFor } from '../src/index.ts';
import type { FaultProxy } from '../src/index.ts';

type End = 'fin' | 'rst' | 'closed';
type Peer = {
  readonly socket: Socket;
  readonly received: () => number;
  readonly text: () => string;
  readonly chunks: Buffer[];
  readonly ended: Promise<End>;
};

const sockets: Socket[] = [];

const observe = (socket: Socket): Peer => {
  sockets.push(socket);
  const chunks: Buffer[] = [];
  const ended = deferred<End>();
  let bytes = 0;
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    bytes += chunk.length;
  });
  socket.once('end', () => ended.resolve('fin'));
  socket.once('error', () => ended.resolve('rst'));
  socket.once('close', () => ended.resolve('closed'));
  return {
    socket,
    received: () => bytes,
    text: () => Buffer.concat(chunks).toString(),
    chunks,
    ended: ended.promise,
  };
};

let server: Server;
let proxy: FaultProxy;
let arrivals: Queue<Peer>;

beforeEach(async () => {
  arrivals = new Queue<Peer>('a connection at the target');
  server = createServer({ noDelay: true }, (socket) => arrivals.push(observe(socket)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  proxy = await startFaultProxy({ target: { host: '127.0.0.1', port } });
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await proxy.close();
  await new Promise((resolve) => server.close(resolve));
});

/** A client and the target's end of its connection. */
const open = async (): Promise<{ client: Peer; target: Peer }> => {
  const client = observe(connect({ port: proxy.port, host: '127.0.0.1', noDelay: true }));
  return { client, target: await arrivals.next() };
};

const arrived = (peer: Peer, bytes: number): Promise<boolean> =>
  waitFor(() => peer.received() >= bytes, { timeoutMs: 10_000, what: `${bytes} bytes` });

describe('without faults', () => {
  test('bytes pass both ways, and a FIN passes as a FIN', async () => {
    const { client, target } = await open();
    client.socket.write('ping');
    await arrived(target, 4);
    target.socket.end('pong');
    expect(await client.ended).toBe('fin');
    expect([target.text(), client.text()]).toEqual(['ping', 'pong']);
    await waitFor(() => proxy.connections === 0, { what: 'the link to be forgotten' });
    expect(proxy.accepted).toBe(1);
  });

  test('several megabytes arrive unchanged', async () => {
    const { client, target } = await open();
    const block = Buffer.from(Array.from({ length: 3_000_000 }, (_, i) => i % 251));
    client.socket.write(block);
    await arrived(target, block.length);
    expect(Buffer.concat(target.chunks).equals(block)).toBe(true);
  });

  test('a target that refuses is a cut connection', async () => {
    await new Promise((resolve) => server.close(resolve));
    const client = observe(connect({ port: proxy.port, host: '127.0.0.1' }));
    expect(await client.ended).not.toBe('');
    await waitFor(() => proxy.connections === 0, { what: 'no link' });
    server.listen(0, '127.0.0.1');
  });
});

describe('cuts', () => {
  test('cutAll ends both sides', async () => {
    const { client, target } = await open();
    proxy.cutAll();
    await Promise.all([client.ended, target.ended]);
    await waitFor(() => proxy.connections === 0, { what: 'no link' });
  });

  test('cutAll with rst resets both sides', async () => {
    const { client, target } = await open();
    proxy.cutAll({ rst: true });
    expect(await Promise.all([client.ended, target.ended])).toEqual(['rst', 'rst']);
  });

  test('cutAfter lets exactly so many bytes through, on the next connection only', async () => {
    proxy.cutAfter(5, 'down');
    const first = await open();
    first.target.socket.write('0123456789');
    await first.client.ended;
    expect(first.client.text()).toBe('01234');
    const second = await open();
    second.target.socket.write('0123456789');
    await arrived(second.client, 10);
  });

  test('cutAfter counts over several writes and in its own direction only', async () => {
    proxy.cutAfter(5, 'up', 2);
    for (const round of [1, 2]) {
      const { client, target } = await open();
      target.socket.write('x'.repeat(100 * round));
      await arrived(client, 100 * round);
      for (const part of ['012', '345', '678']) client.socket.write(part);
      await target.ended;
      expect(target.text()).toBe('01234');
    }
  });
});

describe('latency', () => {
  test('delays each direction, and keeps order under jitter', async () => {
    const { client, target } = await open();
    proxy.setLatency(30, 30);
    const start = performance.now();
    const numbers = Array.from({ length: 200 }, (_, i) => `${i};`);
    for (const number of numbers) {
      client.socket.write(number);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await waitFor(() => target.received() > 0, { what: 'the first byte' });
    expect(performance.now() - start).toBeGreaterThanOrEqual(29);
    await arrived(target, numbers.join('').length);
    expect(target.text()).toBe(numbers.join(''));
  });

  test('does not reduce throughput: a block takes one latency, not one per chunk', async () => {
    const { client, target } = await open();
    proxy.setLatency(200);
    const start = performance.now();
    client.socket.write(Buffer.alloc(8_000_000));
    await arrived(target, 8_000_000);
    const tookMs = performance.now() - start;
    expect(tookMs).toBeGreaterThanOrEqual(199);
    // 64 KiB per 200 ms would be 24 s.
    expect(tookMs).toBeLessThan(12_000);
  });

  test('what is on the way when the latency ends still comes first', async () => {
    const { client, target } = await open();
    proxy.setLatency(50);
    client.socket.write('first');
    await waitFor(() => client.socket.bytesWritten === 5, { what: 'the write' });
    await new Promise((resolve) => setImmediate(resolve));
    proxy.setLatency(0);
    client.socket.write('second');
    await arrived(target, 11);
    expect(target.text()).toBe('firstsecond');
  });
});

describe('throttle', () => {
  test('holds the rate', async () => {
    const { client, target } = await open();
    proxy.setThrottle(100_000);
    const start = performance.now();
    client.socket.write(Buffer.alloc(30_000));
    await arrived(target, 30_000);
    const tookMs = performance.now() - start;
    expect(tookMs).toBeGreaterThanOrEqual(270);
    expect(tookMs).toBeLessThan(1_500);
  });

  test('keeps back-pressure: the sender feels it, and the proxy buffers little', async () => {
    const { client, target } = await open();
    proxy.setThrottle(1_000);
    const total = 64 * 1024 * 1024;
    const block = Buffer.alloc(64 * 1024);
    let sent = 0;
    const writeOn = (): void => {
      while (sent < total) {
        sent += block.length;
        if (!client.socket.write(block)) return;
      }
    };
    client.socket.on('drain', writeOn);
    writeOn();
    const isStill = async (): Promise<boolean> => {
      const before = sent;
      await new Promise((resolve) => setTimeout(resolve, 100));
      return sent === before;
    };
    await waitFor(isStill, { what: 'the sender to be held back' });
    // The rest is the kernel's socket buffers, some megabytes on loopback.
    expect(sent).toBeLessThan(total / 2);
    expect(target.received()).toBeLessThan(100_000);
  });

  test('a reader that stops is felt by the sender', async () => {
    const { client, target } = await open();
    target.socket.pause();
    const heapBefore = process.memoryUsage().arrayBuffers;
    client.socket.write(Buffer.alloc(48 * 1024 * 1024));
    await waitFor(() => client.socket.writableNeedDrain, { what: 'a full sender' });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(client.socket.writableNeedDrain).toBe(true);
    // 48 MiB are the test's own buffer; the proxy may add its bounds and not another copy.
    expect(process.memoryUsage().arrayBuffers - heapBefore).toBeLessThan(72 * 1024 * 1024);
    target.socket.resume();
    await arrived(target, 48 * 1024 * 1024);
  });
});

test('slices arrive in order and in small pieces', async () => {
  const { client, target } = await open();
  proxy.setSlices(3);
  const text = 'abcdefghijklmnopqrstuvwxyz';
  client.socket.write(text);
  await arrived(target, text.length);
  expect(target.text()).toBe(text);
  expect(target.chunks.length).toBeGreaterThan(1);
});

describe('black hole', () => {
  test('swallows one direction silently, and lets it all through when it ends', async () => {
    const { client, target } = await open();
    proxy.blackhole('down');
    target.socket.write('held');
    client.socket.write('passes');
    await arrived(target, 6);
    proxy.setLatency(0);
    expect(client.received()).toBe(0);
    proxy.blackhole('none');
    await arrived(client, 4);
    expect(client.text()).toBe('held');
  });

  test('hides the end of a peer', async () => {
    const { client, target } = await open();
    proxy.blackhole('both');
    client.socket.destroy();
    const early = await Promise.race([
      target.ended,
      new Promise((resolve) => setTimeout(resolve, 50, 'still open')),
    ]);
    expect(early).toBe('still open');
    proxy.blackhole('none');
    await target.ended;
  });

  test('takes connections that are opened meanwhile', async () => {
    proxy.blackhole('both');
    const { client, target } = await open();
    client.socket.write('late');
    await waitFor(() => client.socket.bytesWritten === 4, { what: 'the write' });
    expect(target.received()).toBe(0);
    proxy.blackhole('none');
    await arrived(target, 4);
  });
});

test('setTarget sends new connections elsewhere', async () => {
  const other = createServer((socket) => socket.end('other'));
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  proxy.setTarget({ host: '127.0.0.1', port: (other.address() as AddressInfo).port });
  const client = observe(connect({ port: proxy.port, host: '127.0.0.1' }));
  await client.ended;
  expect(client.text()).toBe('other');
  client.socket.destroy();
  await new Promise((resolve) => other.close(resolve));
});
