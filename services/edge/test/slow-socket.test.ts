import { subscribe as onChannel, unsubscribe as offChannel } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ManualClock, waitFor } from '@sluice/testkit';
import type { RawClient } from '@sluice/testkit';
import { askOk, keyOf, newId, textOf } from './support/asking.ts';
import { createWorld } from './support/world.ts';
import type { TestEdge, World } from './support/world.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
/** What the kernel takes off an edge's hands for a client that does not read. */
const KERNEL_BYTES = 8 * MIB;

let world: World;
let clock: ManualClock;
let target: TestEdge;
/** the edge's side of every connection */
const sockets: Socket[] = [];
const onSocket = (message: unknown): void => void sockets.push((message as { socket: Socket }).socket);

beforeEach(async () => {
  onChannel('net.server.socket', onSocket);
  world = createWorld();
  clock = new ManualClock(Date.now());
  target = await world.addEdge({
    ...{ clock, heartbeatMs: 1e9, maxFramesPerSecond: 1e6, signalBytesPerSecond: 1e12 },
  });
});
afterEach(async () => {
  await world.close();
  offChannel('net.server.socket', onSocket);
  sockets.length = 0;
});

/** A viewer of a session that has stopped reading, and the edge's side of its socket. */
const stalledViewer = async (session: string): Promise<{ client: RawClient; socket: Socket }> => {
  const client = await target.open({ user: 'slow' });
  const socket = sockets.at(-1) as Socket;
  await askOk(client, { type: 'subscribe', session, observe: true });
  client.pause();
  return { client, socket };
};
/** Follows the most that ever waited in a socket. */
const watchPeak = (socket: Socket): { readonly bytes: number } => {
  const peak = { bytes: 0 };
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
  socket.write = ((...args: unknown[]) => {
    const result = write(...args);
    peak.bytes = Math.max(peak.bytes, socket.writableLength);
    return result;
  }) as typeof socket.write;
  return peak;
};
const closesWith = (code: number): number => target.edge.tally.closes.get(String(code)) ?? 0;

describe('a client that does not read', () => {
  test('gets one frame beyond the high-water mark, and all the rest when it reads again', async () => {
    const worker = await world.addWorker();
    const author = await target.open();
    const generation = newId();
    await askOk(author, { type: 'prompt', session: 's1', generation, input: 'x' });
    const healthy = await target.open();
    await askOk(healthy, { type: 'subscribe', session: 's1', observe: true });
    const { client, socket } = await stalledViewer('s1');
    const peak = watchPeak(socket);
    const run = await worker.claim(keyOf('s1', generation));
    const token = 'é'.repeat(4 * KIB);
    for (let i = 0; i < 2_000; i += 1) {
      await run.write(token);
      if (i % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await run.end();
    const isThere = (reader: RawClient) => (): boolean => reader.frames('end').length === 1;
    await waitFor(isThere(healthy), { what: 'the end at a healthy viewer', timeoutMs: 10_000 });
    expect(peak.bytes).toBeLessThan(2 * MIB);
    expect(socket.writableLength).toBeGreaterThan(64 * KIB);
    client.resume();
    await waitFor(isThere(client), { what: 'the end at the slow viewer', timeoutMs: 10_000 });
    expect(textOf(client, generation) === token.repeat(2_000)).toBe(true);
    expect(textOf(healthy, generation) === token.repeat(2_000)).toBe(true);
  }, 30_000);

  test('and asks and asks is answered no further than its socket takes', async () => {
    const writer = await target.open();
    const text = 'x'.repeat(20 * KIB);
    for (let i = 0; i < 50; i += 1)
      await askOk(writer, { type: 'message', session: 's1', message: `m${i}`, text });
    const { client, socket } = await stalledViewer('s1');
    const peak = watchPeak(socket);
    for (let i = 0; i < 100; i += 1) client.send({ type: 'subscribe', session: 's1', observe: true });
    await waitFor(() => socket.writableLength > 64 * KIB, { what: 'the socket to be full' });
    const operations = target.recording.operations.length;
    await askOk(writer, { type: 'ping' });
    expect(target.recording.operations.length - operations).toBeLessThan(5);
    expect(peak.bytes).toBeLessThan(2 * MIB);
    client.resume();
    await waitFor(() => client.frames('subscribed').length === 101, {
      what: 'every answer',
      timeoutMs: 10_000,
    });
  }, 30_000);

  test('is cut with 4009 before what is not paced by credit fills the memory', async () => {
    const { socket } = await stalledViewer('s1');
    const peak = watchPeak(socket);
    const noisy = await target.open();
    await askOk(noisy, { type: 'subscribe', session: 's1' });
    const data = 'x'.repeat(4_000);
    for (let sent = 0; sent < KERNEL_BYTES + 8 * MIB && !socket.destroyed; sent += 100 * data.length) {
      for (let i = 0; i < 100; i += 1) noisy.send({ type: 'signal', session: 's1', data });
      await askOk(noisy, { type: 'unsubscribe', session: 'none' });
    }
    expect(socket.destroyed).toBe(true);
    expect(closesWith(4009)).toBe(1);
    expect(peak.bytes).toBeLessThan(5 * MIB);
  }, 30_000);

  test('is closed with 4009 when its socket has not moved for 60 s, and not before', async () => {
    const { socket } = await stalledViewer('s1');
    const noisy = await target.open();
    await askOk(noisy, { type: 'subscribe', session: 's1' });
    const data = 'x'.repeat(4_000);
    for (let sent = 0; sent < KERNEL_BYTES && socket.writableLength < MIB; sent += 10 * data.length) {
      for (let i = 0; i < 10; i += 1) noisy.send({ type: 'signal', session: 's1', data });
      await askOk(noisy, { type: 'unsubscribe', session: 'none' });
    }
    target.edge.tick();
    clock.advance(59_999);
    target.edge.tick();
    await askOk(noisy, { type: 'ping' });
    expect(socket.destroyed).toBe(false);
    clock.advance(1);
    await waitFor(() => socket.destroyed, { what: 'the socket to be cut' });
    expect(closesWith(4009)).toBe(1);
    await askOk(noisy, { type: 'ping' });
  }, 30_000);
});
