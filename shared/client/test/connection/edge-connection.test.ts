import { describe, expect, test } from '@jest/globals';
import type { Page } from '../../src/connection/page-events.ts';
import { Bench, readyFrame } from '../support/fake-transport.ts';

/** A window or document that counts its listeners. */
class FakeTarget extends EventTarget {
  visibilityState = 'visible';
  listeners = 0;

  override addEventListener(...args: Parameters<EventTarget['addEventListener']>): void {
    this.listeners += 1;
    super.addEventListener(...args);
  }

  override removeEventListener(...args: Parameters<EventTarget['removeEventListener']>): void {
    this.listeners -= 1;
    super.removeEventListener(...args);
  }

  fire(type: string, fields: object = {}): void {
    this.dispatchEvent(Object.assign(new Event(type), fields));
  }
}

const fakePage = (): { page: Page; window: FakeTarget; document: FakeTarget } => {
  const [window, document] = [new FakeTarget(), new FakeTarget()];
  return { page: { window, document }, window, document };
};

describe('status', () => {
  test('tells what happens, plainly', async () => {
    const bench = new Bench();
    expect(bench.client.status).toEqual({ type: 'connecting' });
    await bench.goLive();
    bench.transport.drop(1012);
    bench.clock.advance(125);
    await bench.goLive();
    await bench.client.close();
    expect(bench.statuses).toEqual([
      { type: 'live', transport: 'websocket' },
      { type: 'reconnecting', inMs: 125, attempt: 1, reason: 'closed with 1012' },
      { type: 'reconnecting', inMs: 0, attempt: 1, reason: 'closed with 1012' },
      { type: 'live', transport: 'websocket' },
      { type: 'closed', code: 1000, reason: 'closed by the application' },
    ]);
    expect(bench.clock.pending).toBe(0);
  });

  test('goes with what the server said about us', async () => {
    const bench = new Bench();
    const live = bench.client.live();
    await bench.goLive({ maxWindow: 64 });
    expect(await live).toMatchObject({
      user: 'ann',
      org: 'acme',
      connection: 'c1',
      limits: { maxWindow: 64 },
    });
    expect(bench.client.ready).toEqual(await live);
  });

  test('is closed for good by the server, and live() says so', async () => {
    const bench = new Bench();
    await bench.settle();
    const live = bench.client.live();
    bench.transport.drop(4403, 'not you');
    await expect(live).rejects.toMatchObject({ code: 'closed', closeCode: 4403, reason: 'not you' });
    expect(bench.client.status).toEqual({ type: 'closed', code: 4403, reason: 'not you' });
  });
});

describe('the credential', () => {
  test('is kept over reconnects, and fetched anew once after 4401', async () => {
    let count = 0;
    const bench = new Bench({ token: () => `jwt${(count += 1)}` });
    await bench.goLive();
    await bench.reconnect();
    bench.transport.drop(4401);
    await bench.settle();
    expect(bench.transports.map(({ token }) => token)).toEqual(['jwt1', 'jwt1', 'jwt2']);
    bench.transport.drop(4401, 'expired');
    expect(bench.client.status).toEqual({ type: 'closed', code: 4401, reason: 'expired' });
  });

  test('is refreshed in place when it expires', async () => {
    let count = 0;
    const bench = new Bench({ token: async () => Promise.resolve(`jwt${(count += 1)}`) });
    const transport = await bench.goLive();
    transport.deliver({ type: 'expiring', expiresAt: 1 });
    await bench.settle();
    expect(transport.all('auth')).toEqual([{ type: 'auth', token: 'jwt2' }]);
    expect(bench.transports).toHaveLength(1);
  });

  test('that cannot be fetched is tried again later', async () => {
    let count = 0;
    const token = (): string => {
      count += 1;
      if (count === 1) throw new Error('sign-in is down');
      return 'jwt';
    };
    const bench = new Bench({ token });
    await bench.settle();
    expect(bench.client.status).toMatchObject({
      type: 'reconnecting',
      reason: 'cannot open: sign-in is down',
    });
    expect(bench.errors.map(({ message }) => message)).toEqual(['sign-in is down']);
    bench.clock.advance(1_000);
    await bench.goLive();
    expect(bench.client.status).toEqual({ type: 'live', transport: 'websocket' });
  });

  test('that comes after close opens nothing', async () => {
    const bench = new Bench();
    await bench.client.close();
    await bench.settle();
    expect(bench.transports).toHaveLength(0);
  });
});

test('goaway is honoured to the millisecond', async () => {
  const bench = new Bench();
  const transport = await bench.goLive();
  transport.deliver({ type: 'goaway', reconnectMs: 700 });
  expect(bench.client.status).toEqual({ type: 'live', transport: 'websocket' });
  transport.drop(1012);
  bench.clock.advance(699);
  await bench.settle();
  expect(bench.transports).toHaveLength(1);
  bench.clock.advance(1);
  await bench.settle();
  expect(bench.transports).toHaveLength(2);
});

test('a connection that gets no ready within 15 s is replaced', async () => {
  const bench = new Bench();
  await bench.settle();
  bench.clock.advance(15_000);
  expect(bench.transports[0]?.closedWith?.code).toBe(4008);
  expect(bench.client.status).toMatchObject({ type: 'reconnecting', reason: 'no answer in time' });
});

describe('a half-open link', () => {
  test('is noticed by a ping without answer and replaced', async () => {
    const bench = new Bench();
    const transport = await bench.goLive();
    bench.clock.advance(20_000);
    expect(transport.all('ping')).toHaveLength(1);
    bench.clock.advance(9_999);
    expect(bench.client.status.type).toBe('live');
    bench.clock.advance(1);
    expect(transport.closedWith).toEqual({ code: 4008, reason: 'no answer to a ping' });
    expect(bench.client.status).toMatchObject({ type: 'reconnecting', reason: 'no answer to a ping' });
  });

  test('is not suspected while any frame arrives', async () => {
    const bench = new Bench();
    const transport = await bench.goLive();
    for (let round = 0; round < 10; round += 1) {
      bench.clock.advance(15_000);
      transport.deliver({ type: 'presence', session: 's', viewers: 1 });
    }
    expect(transport.all('ping')).toHaveLength(0);
    bench.clock.advance(25_000);
    transport.deliver({ type: 'pong' });
    bench.clock.advance(10_000);
    expect(bench.client.status.type).toBe('live');
  });
});

describe('in a page', () => {
  test('becoming visible, online or offline asks the link at once, with 2 s to answer', async () => {
    const { page, window, document } = fakePage();
    const bench = new Bench({}, page);
    const transport = await bench.goLive();
    document.fire('visibilitychange');
    window.fire('online');
    expect(transport.all('ping')).toHaveLength(2);
    transport.deliver({ type: 'pong' });
    bench.clock.advance(5_000);
    expect(bench.client.status.type).toBe('live');
    window.fire('offline');
    bench.clock.advance(2_000);
    expect(bench.client.status).toEqual({ type: 'offline' });
  });

  test('becoming hidden asks nothing', async () => {
    const { page, document } = fakePage();
    const bench = new Bench({}, page);
    const transport = await bench.goLive();
    document.visibilityState = 'hidden';
    document.fire('visibilitychange');
    expect(transport.all('ping')).toHaveLength(0);
  });

  test('online ends waiting at once; offline slows it down without giving up', async () => {
    const { page, window } = fakePage();
    const bench = new Bench({}, page);
    await bench.goLive();
    window.fire('offline');
    bench.transport.drop(1006);
    expect(bench.client.status).toEqual({ type: 'offline' });
    bench.clock.advance(10_000);
    await bench.settle();
    expect(bench.transports).toHaveLength(2);
    bench.transport.drop(1006);
    window.fire('online');
    await bench.goLive();
    expect(bench.client.status).toEqual({ type: 'live', transport: 'websocket' });
  });

  test('the back/forward cache closes the socket and opens another', async () => {
    const { page, window } = fakePage();
    const bench = new Bench({}, page);
    const first = await bench.goLive();
    window.fire('pagehide', { persisted: false });
    expect(first.closedWith).toBeUndefined();
    window.fire('pagehide', { persisted: true });
    expect(first.closedWith?.code).toBe(1000);
    expect(bench.client.status).toEqual({ type: 'offline' });
    window.fire('pageshow', { persisted: true });
    await bench.goLive();
    expect(bench.client.status).toEqual({ type: 'live', transport: 'websocket' });
  });

  test('close removes every listener and timer', async () => {
    const { page, window, document } = fakePage();
    const bench = new Bench({}, page);
    await bench.goLive();
    expect([window.listeners, document.listeners]).toEqual([4, 1]);
    await bench.client.close();
    await bench.client.close();
    expect([window.listeners, document.listeners]).toEqual([0, 0]);
    expect(bench.clock.pending).toBe(0);
  });
});

test('the frame limit of the server is kept, and acks wait behind requests', async () => {
  const bench = new Bench();
  const session = bench.client.session('s');
  const prompts = Array.from({ length: 30 }, () => session.prompt('hi'));
  for (const { accepted } of prompts) accepted.catch(() => undefined);
  const transport = await bench.goLive({ maxFramesPerSecond: 20 });
  expect(transport.sent).toHaveLength(10);
  bench.clock.advance(1_000);
  expect(transport.sent).toHaveLength(20);
  bench.clock.advance(2_000);
  expect(transport.all('prompt')).toHaveLength(30);
});

test('frames and fields nobody knows are ignored', async () => {
  const bench = new Bench();
  await bench.settle();
  bench.transport.deliver({ ...readyFrame(), colour: 'blue' } as never);
  bench.transport.deliver({ type: 'pong', more: 1 } as never);
  expect(bench.client.status).toEqual({ type: 'live', transport: 'websocket' });
  expect(bench.errors).toEqual([]);
});
