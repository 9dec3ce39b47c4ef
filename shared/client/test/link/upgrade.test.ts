import { describe, expect, test } from '@jest/globals';
import { DEFAULT_BACKOFF } from '../../src/connection/reconnect-state.ts';
import { Bench, readyFrame } from '../support/fake-transport.ts';
import type { FakeTransport } from '../support/fake-transport.ts';

const UPGRADE_MS = 1_000;

/** A client that makes do with a stream. */
const lesser = async (window?: EventTarget): Promise<{ bench: Bench; stream: FakeTransport }> => {
  const bench = new Bench(
    { backoff: { upgradeMs: UPGRADE_MS } },
    window === undefined ? {} : { window },
    'sse',
  );
  const stream = await bench.goLive();
  await bench.settle();
  return { bench, stream };
};

describe('a client on a lesser transport', () => {
  test('says so', async () => {
    const { bench } = await lesser();
    expect(bench.client.status).toEqual({ type: 'live', transport: 'sse' });
  });

  test('tries the best one, then after twice as long each time, up to 20 times as long', async () => {
    const { bench, stream } = await lesser();
    const pauses: number[] = [];
    for (let tries = 1; tries <= 7; tries += 1) {
      let waited = 0;
      for (; bench.transports.length === tries; waited += UPGRADE_MS) {
        bench.clock.advance(UPGRADE_MS);
        stream.deliver({ type: 'pong' });
        await bench.settle();
      }
      pauses.push(waited / UPGRADE_MS);
      bench.transport.drop(1006);
    }
    expect(pauses).toEqual([1, 2, 4, 8, 16, 20, 20]);
    expect(DEFAULT_BACKOFF.upgradeMs).toBe(30_000);
    expect(bench.client.status).toEqual({ type: 'live', transport: 'sse' });
  });

  test('goes over to it from where it is, once it is ready, and lets the old one go last', async () => {
    const { bench, stream } = await lesser();
    const generation = bench.client.session('s').prompt({ input: 'hi', generation: 'g' });
    stream.answer('prompt', true);
    stream.subscribed('s');
    const delta = { type: 'delta', session: 's', generation: 'g', epoch: 0, at: 0 } as const;
    stream.deliver({ ...delta, from: 0, seq: 2, text: 'ab' });
    bench.clock.advance(UPGRADE_MS);
    await bench.settle();
    const socket = bench.transport;
    socket.drop(1006);
    bench.clock.advance(2 * UPGRADE_MS);
    await bench.settle();
    const best = bench.transport;
    expect(best).not.toBe(socket);
    stream.deliver({ ...delta, from: 2, seq: 3, text: 'c' });
    best.deliver(readyFrame());
    expect(best.all('subscribe')).toMatchObject([{ session: 's', positions: { g: { epoch: 0, seq: 3 } } }]);
    expect(stream.closedWith?.code).toBe(1000);
    // What was on its way down the old one comes again on the new one, and counts once.
    stream.deliver({ ...delta, from: 3, seq: 4, text: 'd' });
    best.subscribed('s');
    best.deliver({ ...delta, from: 3, seq: 5, text: 'de' });
    expect(generation.text).toBe('abcde');
    expect(bench.errors).toEqual([]);
    expect(bench.statuses).toEqual([
      { type: 'live', transport: 'sse' },
      { type: 'live', transport: 'websocket' },
    ]);
    await bench.client.close();
    expect(bench.clock.pending).toBe(0);
  });

  test('asks again over the new one what was not answered over the old', async () => {
    const { bench, stream } = await lesser();
    const generation = bench.client.session('s').prompt({ input: 'hi', generation: 'g' });
    bench.clock.advance(UPGRADE_MS);
    await bench.settle();
    bench.transport.deliver(readyFrame());
    expect(bench.transport.all('prompt')).toEqual(stream.all('prompt'));
    bench.transport.answer('prompt', false);
    expect(await generation.accepted).toEqual({ created: false });
  });

  test('tries at once when the network changes', async () => {
    const window = new EventTarget();
    const { bench } = await lesser(window);
    window.dispatchEvent(new Event('online'));
    await bench.settle();
    expect(bench.transports.map(({ kind }) => kind)).toEqual(['sse', 'websocket']);
  });

  test('stops trying when the connection is lost, and begins anew with the next', async () => {
    const { bench, stream } = await lesser();
    bench.clock.advance(UPGRADE_MS);
    await bench.settle();
    const tried = bench.transport;
    stream.drop(1006);
    expect(tried.closedWith?.code).toBe(1000);
    bench.clock.advance(10_000);
    await bench.goLive();
    expect(bench.transports.map(({ kind }) => kind)).toEqual(['sse', 'websocket', 'sse']);
    await bench.settle();
    bench.clock.advance(UPGRADE_MS);
    await bench.settle();
    expect(bench.transports).toHaveLength(4);
    await bench.client.close();
    expect(bench.clock.pending).toBe(0);
  });
});

test('a client with a WebSocket looks for nothing better', async () => {
  const bench = new Bench();
  await bench.goLive();
  await bench.settle();
  const before = bench.clock.pending;
  bench.clock.advance(5_000);
  expect([bench.transports.length, bench.clock.pending]).toEqual([1, before]);
});
