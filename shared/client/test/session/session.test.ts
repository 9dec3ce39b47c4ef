import { describe, expect, test } from '@jest/globals';
import { Bench } from '../support/fake-transport.ts';
import { attached, delta, end, ids, item } from '../support/session-frames.ts';

describe('continuity', () => {
  test('a hole drops the connection and resumes from the last good position', async () => {
    const { bench, transport } = await attached([item(1)], 1);
    const errors: Error[] = [];
    bench.client.session('s').on('error', (error) => errors.push(error));
    transport.deliver(delta(0, 2, 'ab'), delta(3, 4, 'd'), delta(4, 5, 'e'));
    expect(transport.closedWith?.code).toBe(4000);
    expect([errors.length, bench.errors.length]).toEqual([1, 1]);
    bench.clock.advance(10_000);
    const again = await bench.goLive();
    expect(again.all('subscribe')[0]?.positions).toEqual({ g: { epoch: 0, seq: 2 } });
    expect(bench.client.session('s').generation('g').text).toBe('ab');
  });

  test('an item that contradicts the text is asked for again', async () => {
    const { bench, transport } = await attached([item(1)], 1);
    transport.deliver(delta(0, 2, 'ab'));
    const other = item(2, { status: 'done', reason: 'stop', seq: 2, text: 'xy' });
    transport.deliver({ type: 'item', session: 's', rev: 2, item: other });
    expect(transport.closedWith?.code).toBe(4000);
    bench.clock.advance(10_000);
    const again = await bench.goLive();
    expect(again.all('subscribe')[0]?.rev).toBe(1);
  });

  test('a reset restarts the text in its epoch, for iterators as well', async () => {
    const { bench, transport } = await attached([item(1)], 1);
    const generation = bench.client.session('s').generation('g');
    const iterator = generation[Symbol.asyncIterator]();
    transport.deliver(delta(0, 2, 'ab'));
    expect((await iterator.next()).value).toMatchObject({ epoch: 0, from: 0, text: 'ab' });
    transport.deliver({ type: 'reset', ...ids, epoch: 1, reason: 'worker lost' }, delta(0, 1, 'x', 1));
    expect((await iterator.next()).value).toMatchObject({ epoch: 1, from: 0, text: 'x' });
    transport.deliver(end(1, { epoch: 1 }));
    expect((await iterator.next()).done).toBe(true);
    expect(await generation.done).toBe('x');
  });
});

describe('acks', () => {
  test('go out for a quarter of the window, after 250 ms, and at the end', async () => {
    const { bench, transport } = await attached([item(1)], 1);
    for (let seq = 1; seq <= 8; seq += 1) transport.deliver(delta(seq - 1, seq, 'x'));
    expect(transport.all('ack').map(({ seq }) => seq)).toEqual([8]);
    transport.deliver(delta(8, 9, 'x'));
    bench.clock.advance(250);
    transport.deliver(delta(9, 10, 'x'), end(10));
    expect(transport.all('ack').map(({ seq, epoch }) => [epoch, seq])).toEqual([
      [0, 8],
      [0, 9],
      [0, 10],
    ]);
  });

  test('start over with the text, so that no ack of an old epoch is taken for one of the new', async () => {
    const { bench, transport } = await attached([item(1)], 1);
    const generation = bench.client.session('s').generation('g', { ack: 'consumed' });
    const iterator = generation[Symbol.asyncIterator]();
    transport.deliver(delta(0, 9, 'abc'));
    await iterator.next();
    transport.deliver({ type: 'reset', ...ids, epoch: 1, reason: 'worker lost' }, delta(0, 2, 'x', 1));
    await iterator.next();
    bench.clock.advance(1_000);
    expect(transport.all('ack')).toEqual([]);
    const last = iterator.next();
    await bench.settle();
    transport.deliver(end(2, { epoch: 1 }));
    await last;
    expect(transport.all('ack')).toEqual([{ type: 'ack', ...ids, epoch: 1, seq: 2 }]);
  });

  test('are not sent by an observer', async () => {
    const bench = new Bench();
    void bench.client.session('s').subscribe({ observe: true });
    const transport = await bench.goLive();
    expect(transport.all('subscribe')[0]).toMatchObject({ observe: true });
    transport.subscribed('s');
    transport.deliver(delta(0, 1, 'a'), end(1));
    expect(transport.all('ack')).toEqual([]);
  });

  test('wait for the iterator when an ack means consumed', async () => {
    const { bench, transport } = await attached([item(1)], 1);
    const generation = bench.client.session('s').generation('g', { ack: 'consumed' });
    for (let seq = 1; seq <= 16; seq += 1) transport.deliver(delta(seq - 1, seq, 'x'));
    bench.clock.advance(1_000);
    expect(transport.all('ack')).toEqual([]);
    const iterator = generation[Symbol.asyncIterator]();
    expect((await iterator.next()).value).toMatchObject({ from: 0, seq: 16 });
    expect(transport.all('ack')).toEqual([]);
    const next = iterator.next();
    await bench.settle();
    expect(transport.all('ack').map(({ seq }) => seq)).toEqual([16]);
    generation.detach();
    expect((await next).done).toBe(true);
    // Nobody consumes any more, yet the session is still watched.
    transport.deliver(delta(16, 17, 'x'));
    bench.clock.advance(250);
    expect(transport.all('ack').at(-1)?.seq).toBe(17);
  });
});

describe('what runs in a session', () => {
  test('is followed, oldest first, and the session is let go with the last of it', async () => {
    const bench = new Bench();
    const running = bench.client.session('s').running();
    const transport = await bench.goLive();
    const items = [
      item(3, { id: 'g2', createdAt: 2 }),
      item(4, { createdAt: 1 }),
      item(5, { id: 'old', status: 'done', text: 'x', seq: 1 }),
    ];
    transport.deliver({ type: 'subscribed', session: 's', rev: 5, viewers: 1, items });
    const followed = await running;
    expect(followed.map(({ id }) => id)).toEqual(['g', 'g2']);
    transport.deliver(delta(0, 1, 'a'));
    expect(followed[0]?.text).toBe('a');
    expect(transport.all('unsubscribe')).toEqual([]);
    for (const generation of followed) generation.detach();
    await bench.settle();
    expect(transport.all('unsubscribe')).toHaveLength(1);
  });

  test('is nothing where everything is done, and a session that is watched stays so', async () => {
    const { bench, transport } = await attached([item(1, { status: 'done', text: 'x', seq: 1 })], 1);
    expect(await bench.client.session('s').running()).toEqual([]);
    await bench.settle();
    expect(transport.all('unsubscribe')).toEqual([]);
  });

  test('is asked for only where it may be known', async () => {
    const bench = new Bench();
    const running = bench.client.session('s').running();
    const transport = await bench.goLive();
    const [{ id: re = '' } = {}] = transport.all('subscribe');
    transport.deliver({ type: 'error', re, code: 'not_found', message: 'no', retryable: false });
    await expect(running).rejects.toMatchObject({ code: 'not_found' });
  });
});
