import { describe, expect, test } from '@jest/globals';
import { DetachedError } from '../../src/errors.ts';
import { Bench } from '../support/fake-transport.ts';
import { attached, delta, end, ids, item, line } from '../support/session-frames.ts';

describe('a subscription', () => {
  test('holds items in the order of their rev, with text as it grows', async () => {
    const { bench, transport } = await attached([line('m1', 1), item(2), line('m2', 3)], 3);
    const session = bench.client.session('s');
    transport.deliver(delta(0, 2, 'Hel'));
    expect([...session.items.keys()]).toEqual(['m1', 'g', 'm2']);
    expect(session.items.get('g')).toMatchObject({ text: 'Hel', seq: 2, status: 'running' });
    expect(session.viewers).toBe(2);
    transport.deliver(delta(2, 3, 'lo'), end(3));
    transport.deliver({
      type: 'item',
      session: 's',
      rev: 4,
      item: item(4, { status: 'done', reason: 'stop', seq: 3 }),
    });
    expect([...session.items.keys()]).toEqual(['m1', 'm2', 'g']);
    expect(session.items.get('g')).toMatchObject({ text: 'Hello', status: 'done', reason: 'stop', rev: 4 });
  });

  test('follows pages and resolves after the last, without mixing two attachments', async () => {
    const bench = new Bench();
    const session = bench.client.session('s');
    const subscribed = session.subscribe({ window: 8 });
    const transport = await bench.goLive();
    transport.deliver({ type: 'subscribed', session: 's', rev: 5, viewers: 1, items: [item(5)], more: true });
    // In flight from before the second page was asked for: it comes again.
    transport.deliver(delta(0, 1, 'a'));
    transport.deliver({ type: 'item', session: 's', rev: 9, item: line('new', 9) });
    expect(transport.all('subscribe')[1]).toMatchObject({
      rev: 5,
      positions: { g: { epoch: 0, seq: 0 } },
      window: 8,
    });
    transport.deliver({ type: 'subscribed', session: 's', rev: 7, viewers: 1, items: [line('old', 7)] });
    await subscribed;
    transport.deliver(delta(0, 2, 'ab'));
    expect([...session.items.keys()]).toEqual(['g', 'old', 'new']);
    expect(session.items.get('g')).toMatchObject({ text: 'ab' });
    expect((await bench.reconnect()).all('subscribe')[0]?.rev).toBe(7);
  });

  test('goes on from where a list ended: an item that was announced hides none that is still to come', async () => {
    const { bench, transport } = await attached([line('m1', 2)], 2);
    transport.deliver({ type: 'item', session: 's', rev: 9, item: line('m9', 9) });
    const again = await bench.reconnect();
    expect(again.all('subscribe')[0]?.rev).toBe(2);
    again.subscribed('s', 9);
    again.deliver({ type: 'listed', session: 's', rev: 12 });
    expect((await bench.reconnect()).all('subscribe')[0]?.rev).toBe(12);
  });

  test('drops an item that was deleted, live and in a list, and nobody waits for its end', async () => {
    const { bench, transport } = await attached([line('m1', 1), item(2), line('m2', 3)], 3);
    const session = bench.client.session('s');
    const removed: string[] = [];
    session.on('removed', ({ item: id }) => removed.push(id));
    const done = session.generation('g').done;
    transport.deliver({ type: 'removed', session: 's', rev: 4, item: 'g' });
    await expect(done).rejects.toMatchObject({ code: 'not_found' });
    expect([...session.items.keys()]).toEqual(['m1', 'm2']);
    const again = await bench.reconnect();
    expect(again.all('subscribe')[0]).not.toHaveProperty('positions');
    again.deliver({ type: 'subscribed', session: 's', rev: 5, viewers: 1, items: [], removed: ['m1'] });
    expect([...session.items.keys()]).toEqual(['m2']);
    expect(removed).toEqual(['g', 'm1']);
  });

  test('ends when its session is deleted, and is not asked for again', async () => {
    const { bench, transport } = await attached([item(2)], 2);
    const session = bench.client.session('s');
    const errors: Error[] = [];
    session.on('error', (error) => errors.push(error));
    const done = session.generation('g').done;
    const gone = { type: 'error', code: 'session_deleted', message: 'deleted', retryable: false } as const;
    transport.deliver({ ...gone, session: 's' });
    await expect(done).rejects.toMatchObject({ code: 'session_deleted' });
    expect(errors).toMatchObject([{ code: 'session_deleted' }]);
    expect((await bench.reconnect()).all('subscribe')).toEqual([]);
  });

  test('resumes by rev and by the position of every open generation', async () => {
    const { bench, transport } = await attached(
      [item(2), item(3, { id: 'g2', status: 'done', text: 'x', seq: 1 })],
      3,
    );
    transport.deliver(delta(0, 7, 'abc'));
    const again = await bench.reconnect();
    expect(again.all('subscribe')).toMatchObject([{ rev: 3, positions: { g: { epoch: 0, seq: 7 } } }]);
    again.subscribed('s', 3);
    again.deliver(delta(7, 8, 'd'));
    expect(bench.client.session('s').generation('g').text).toBe('abcd');
    expect(await bench.client.session('s').generation('g2').done).toBe('x');
  });

  describe('to a session with a text that is too large for its list', () => {
    const apart = item(2, {
      ...{ status: 'done', reason: 'stop', seq: 3, preview: 'Hel' },
      bodies: { answer: { chunks: 1, bytes: 30_000, sha256: 'f'.repeat(64) } },
    });

    test('shows its beginning, and asks for it only when somebody follows it', async () => {
      const { bench, transport } = await attached([apart], 2);
      const session = bench.client.session('s');
      expect(session.items.get('g')).toEqual(apart);
      expect((await bench.reconnect()).all('subscribe')[0]?.positions).toBeUndefined();
      bench.transport.deliver({ type: 'subscribed', session: 's', rev: 2, viewers: 1, items: [] });
      const generation = session.generation('g');
      await bench.settle();
      const asked = bench.transport.all('subscribe').at(-1);
      expect(asked).toMatchObject({ rev: 2, positions: { g: { epoch: 0, seq: 0 } } });
      bench.transport.deliver({ type: 'subscribed', session: 's', rev: 2, viewers: 1, items: [] });
      bench.transport.deliver(delta(0, 2, 'Hel'), delta(2, 3, 'lo'), end(3));
      expect(await generation.done).toBe('Hello');
      expect(session.items.get('g')).toMatchObject({ text: 'Hello', status: 'done' });
      expect(transport.all('subscribe')).toHaveLength(1);
      expect((await bench.reconnect()).all('subscribe')[0]?.positions).toBeUndefined();
    });

    test('gets it also when it is followed before it is known, or as soon as it is', async () => {
      const bench = new Bench();
      const session = bench.client.session('s');
      session.on('item', ({ id }) => void session.generation(id));
      void session.subscribe();
      const transport = await bench.goLive();
      transport.deliver({ type: 'subscribed', session: 's', rev: 2, viewers: 1, items: [apart] });
      await bench.settle();
      expect(transport.all('subscribe').at(-1)?.positions).toEqual({ g: { epoch: 0, seq: 0 } });
    });

    test('goes on in a text that ended meanwhile from where it was', async () => {
      const { bench, transport } = await attached([item(1)], 1);
      const generation = bench.client.session('s').generation('g');
      transport.deliver(delta(0, 2, 'Hel'));
      const again = await bench.reconnect();
      again.deliver({ type: 'subscribed', session: 's', rev: 2, viewers: 1, items: [apart] });
      again.deliver(delta(2, 3, 'lo'), end(3));
      expect(await generation.done).toBe('Hello');
    });

    test('is told when the server has lost it', async () => {
      const { bench, transport } = await attached([apart], 2);
      const generation = bench.client.session('s').generation('g');
      await bench.settle();
      transport.deliver({ type: 'subscribed', session: 's', rev: 2, viewers: 1, items: [] });
      transport.deliver({ type: 'error', code: 'not_found', message: 'lost', retryable: false, ...ids });
      await expect(generation.done).rejects.toMatchObject({ code: 'not_found' });
    });
  });

  test('names a generation that has ended until its item says so too: it must not come whole again', async () => {
    const { bench, transport } = await attached([item(2)], 2);
    transport.deliver(delta(0, 2, 'ab'));
    transport.deliver(end(2));
    const again = await bench.reconnect();
    expect(again.all('subscribe')).toMatchObject([{ positions: { g: { epoch: 0, seq: 2 } } }]);
    const done = item(3, { status: 'done', reason: 'stop', seq: 2, text: 'ab' });
    again.deliver({ type: 'subscribed', session: 's', rev: 3, viewers: 1, items: [done] });
    const later = await bench.reconnect();
    expect(later.all('subscribe')[0]?.positions).toBeUndefined();
  });

  test('is done with a generation whose tokens are gone when its item comes in full', async () => {
    const { bench, transport } = await attached([item(2)], 2);
    const generation = bench.client.session('s').generation('g');
    const texts: string[] = [];
    generation.on('delta', ({ text }) => texts.push(text));
    transport.deliver(delta(0, 2, 'ab'));
    const again = await bench.reconnect();
    const whole = item(4, { status: 'done', reason: 'stop', seq: 4, text: 'abcd' });
    again.deliver({ type: 'subscribed', session: 's', rev: 4, viewers: 1, items: [whole] });
    expect(await generation.done).toBe('abcd');
    // R7: it was named, so deltas and the end follow; they add nothing, and are acked.
    again.deliver(delta(2, 4, 'cd'), end(4));
    expect([texts, generation.text, again.all('ack').at(-1)?.seq]).toEqual([['ab', 'cd'], 'abcd', 4]);
    expect(bench.errors).toEqual([]);
  });

  test('starts over when the server has another store, and says so', async () => {
    const bench = new Bench();
    void bench.client.session('s').subscribe();
    const transport = await bench.goLive();
    const old = [line('m1', 8), item(9, { id: 'kept' }), item(10, { id: 'gone' })];
    transport.deliver({ type: 'subscribed', session: 's', rev: 10, store: 'one', viewers: 1, items: old });
    const session = bench.client.session('s');
    const told: unknown[] = [];
    for (const name of ['reset', 'error'] as const) session.on(name, () => told.push(name));
    transport.deliver({ ...delta(0, 3, 'old'), generation: 'kept' });
    const [kept, gone] = [session.generation('kept'), session.generation('gone')];
    const again = await bench.reconnect();
    expect(again.all('subscribe')).toMatchObject([{ rev: 10, store: 'one' }]);
    const items = [line('m9', 2), item(3, { id: 'kept' })];
    const list = { type: 'subscribed', session: 's', rev: 3, store: 'two', reset: true, viewers: 1 } as const;
    again.deliver({ ...list, items });
    await expect(gone.end).rejects.toMatchObject({ code: 'not_found' });
    again.deliver({ ...delta(0, 2, 'new'), generation: 'kept' });
    expect([[...session.items.keys()], kept.text]).toEqual([['m9', 'kept'], 'new']);
    expect(told).toEqual(['reset', 'reset', 'error']);
    // The same without being asked, on a list that was cut.
    again.deliver({ ...list, store: 'three', rev: 1, items: [line('m0', 1)], more: true });
    expect(again.all('subscribe').at(-1)).toMatchObject({ rev: 1, store: 'three' });
    again.deliver({
      ...list,
      reset: undefined as never,
      store: 'three',
      rev: 2,
      items: [item(2, { id: 'kept' })],
    });
    again.deliver({ ...delta(0, 1, 'newest'), generation: 'kept' });
    expect([[...session.items.keys()], kept.text]).toEqual([['m0', 'kept'], 'newest']);
    expect(bench.errors).toEqual([]);
  });

  test('that is refused rejects; one that is refused later is tried again while that can help', async () => {
    const bench = new Bench();
    const refused = bench.client.session('secret').subscribe();
    const transport = await bench.goLive();
    transport.refuse('subscribe', 'forbidden');
    await expect(refused).rejects.toMatchObject({ code: 'forbidden', retryable: false });
    const errors: Error[] = [];
    const session = bench.client.session('s');
    session.on('error', (error) => errors.push(error));
    const subscribed = session.subscribe();
    transport.subscribed('s');
    await subscribed;
    const again = await bench.reconnect();
    expect(again.all('subscribe').map((frame) => frame.session)).toEqual(['s']);
    again.refuse('subscribe', 'unavailable', true);
    await bench.settle();
    expect(errors).toHaveLength(1);
    bench.clock.advance(2_000);
    expect(again.all('subscribe')).toHaveLength(2);
  });

  test('that cannot be served for the moment is asked for again, and its promise waits', async () => {
    const bench = new Bench();
    const session = bench.client.session('s');
    const errors: Error[] = [];
    session.on('error', (error) => errors.push(error));
    const subscribed = session.subscribe();
    const transport = await bench.goLive();
    transport.refuse('subscribe', 'unavailable', true);
    await bench.settle();
    expect(errors).toHaveLength(1);
    bench.clock.advance(2_000);
    expect(transport.all('subscribe')).toHaveLength(2);
    transport.subscribed('s');
    await subscribed;
  });

  test('made again before the first was answered begins with the second answer', async () => {
    const bench = new Bench();
    const session = bench.client.session('s');
    void session.subscribe().catch(() => undefined);
    const transport = await bench.goLive();
    const left = session.unsubscribe();
    const subscribed = session.subscribe();
    const generation = session.generation('g');
    transport.deliver({ type: 'subscribed', session: 's', rev: 1, viewers: 1, items: [item(1)] });
    transport.deliver(delta(0, 2, 'ab'));
    // Both at once, as they come in one packet.
    transport.answer('unsubscribe');
    transport.deliver({ type: 'subscribed', session: 's', rev: 1, viewers: 1, items: [item(1)] });
    await Promise.all([left, subscribed]);
    transport.deliver(delta(0, 3, 'abc'));
    expect(generation.text).toBe('abc');
    expect([transport.all('subscribe').length, bench.errors]).toEqual([2, []]);
  });

  test('asked for by whoever hears of its refusal is not asked for twice', async () => {
    const bench = new Bench();
    const session = bench.client.session('s');
    session.on('error', () => void session.subscribe());
    void session.subscribe();
    const transport = await bench.goLive();
    transport.refuse('subscribe', 'unavailable', true);
    await bench.settle();
    bench.clock.advance(2_000);
    expect(transport.all('subscribe')).toHaveLength(2);
  });

  test('passes on presence, signals, states and errors', async () => {
    const { bench, transport } = await attached([item(1)], 1);
    const session = bench.client.session('s');
    const seen: unknown[] = [];
    for (const name of ['presence', 'signal', 'state', 'reset', 'error'] as const)
      session.on(name, (value) => seen.push([name, value]));
    transport.deliver({
      type: 'presence',
      session: 's',
      viewers: 3,
      joined: { user: 'bob', connection: 'c9' },
    });
    transport.deliver({ type: 'signal', session: 's', user: 'bob', data: 'typing' });
    transport.deliver({ type: 'state', ...ids, state: 'paused' });
    transport.deliver({ type: 'reset', ...ids, epoch: 1, reason: 'restart' });
    transport.deliver({ type: 'error', code: 'internal', message: 'oops', retryable: true, session: 's' });
    session.signal({ typing: true });
    expect(transport.all('signal')).toEqual([{ type: 'signal', session: 's', data: { typing: true } }]);
    expect(seen).toEqual([
      ['presence', { viewers: 3, joined: { user: 'bob', connection: 'c9' } }],
      ['signal', { user: 'bob', data: 'typing' }],
      ['state', { generation: 'g', state: 'paused' }],
      ['reset', { generation: 'g', epoch: 1, reason: 'restart' }],
      ['error', expect.objectContaining({ code: 'internal', retryable: true })],
    ]);
  });

  test('ends with unsubscribe, after which frames in flight mean nothing', async () => {
    const { bench, transport } = await attached([item(1)], 1);
    const session = bench.client.session('s');
    const generation = session.generation('g');
    const left = session.unsubscribe();
    transport.deliver(delta(0, 1, 'a'));
    transport.answer('unsubscribe');
    await left;
    await expect(generation.end).rejects.toBeInstanceOf(DetachedError);
    expect(generation.text).toBe('');
    expect((await bench.reconnect()).all('subscribe')).toEqual([]);
  });
});
