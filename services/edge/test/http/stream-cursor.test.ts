import { describe, expect, test } from '@jest/globals';
import type { GenerationItem, ItemStatus, ServerFrame } from '@sluice/protocol';
import { MAX_CURSOR_CHARS, StreamCursor } from '../../src/api/stream-cursor.ts';

const place = { session: 's', generation: 'g' } as const;
const item = (rev: number, status: ItemStatus): GenerationItem => ({
  ...{ id: 'g', kind: 'generation', rev, user: 'ann', createdAt: 0, model: 'm', input: 'x' },
  ...{ governor: 'fastest', status, attempt: 1, epoch: 0, seq: 0 },
});
const itemFrame = (rev: number, status: ItemStatus): ServerFrame => ({
  ...{ type: 'item', session: 's', rev, item: item(rev, status) },
});
const listed = (rev: number): ServerFrame => ({ type: 'listed', session: 's', rev });
const delta = (from: number, seq: number): ServerFrame => ({
  ...{ type: 'delta', ...place, epoch: 0, from, seq, text: 'x', at: 0 },
});
const end: ServerFrame = { type: 'end', ...place, epoch: 0, seq: 2, reason: 'stop' };

/** What a client that comes back with the cursor's text attaches with. */
const after = (frames: readonly ServerFrame[], from?: StreamCursor): [StreamCursor, number, object] => {
  const cursor = from ?? new StreamCursor(['s']);
  for (const frame of frames) cursor.apply(frame);
  const back = new StreamCursor(['s'], cursor.toString());
  const { rev, positions } = back.of('s');
  return [back, rev, Object.fromEntries([...positions].map(([id, { epoch, seq }]) => [id, [epoch, seq]]))];
};

describe('a cursor', () => {
  test('is the rev up to which all was listed, and the position in every generation that is under way', () => {
    const told = [itemFrame(7, 'running'), delta(0, 1), delta(1, 2)];
    expect(after(told).slice(1)).toEqual([0, { g: [0, 2] }]);
    expect(after([...told, listed(8), itemFrame(9, 'running')]).slice(1)).toEqual([8, { g: [0, 2] }]);
    expect(after([{ type: 'reset', ...place, epoch: 3, reason: 'x' }]).slice(1)).toEqual([0, { g: [3, 0] }]);
  });

  test('names a generation until both its end and its item were told, in either order', () => {
    expect(after([delta(0, 2), end]).slice(1)).toEqual([0, { g: [0, 2] }]);
    expect(after([delta(0, 2), end, itemFrame(9, 'done')]).slice(1)).toEqual([0, {}]);
    expect(after([delta(0, 1), itemFrame(9, 'done'), delta(1, 2)]).slice(1)).toEqual([0, { g: [0, 2] }]);
    expect(after([itemFrame(9, 'done')]).slice(1)).toEqual([0, { g: [0, 0] }]);
    expect(after([itemFrame(9, 'done'), { ...end, seq: 0 } as ServerFrame]).slice(1)).toEqual([0, {}]);
  });

  test('remembers over a reconnect what was told before it', () => {
    const [ended] = after([delta(0, 2), end]);
    const list: ServerFrame = {
      type: 'subscribed',
      session: 's',
      rev: 9,
      viewers: 1,
      items: [item(9, 'done')],
    };
    expect(after([list], ended).slice(1)).toEqual([9, {}]);
    const [done] = after([delta(0, 1), itemFrame(9, 'done')]);
    expect(after([delta(1, 2), end], done).slice(1)).toEqual([0, {}]);
  });

  test('does not name what a list says is done: the list has its text', () => {
    const list: ServerFrame = {
      type: 'subscribed',
      session: 's',
      rev: 9,
      viewers: 1,
      items: [item(9, 'done')],
    };
    expect(after([list]).slice(1)).toEqual([9, {}]);
  });

  test('is moved by nothing that is only for the moment, nor by other sessions', () => {
    const cursor = new StreamCursor(['s']);
    const idle: ServerFrame[] = [
      { type: 'presence', session: 's', viewers: 1 },
      { type: 'signal', session: 's', user: 'ann', data: 1 },
      { type: 'goaway', reconnectMs: 1 },
      { ...delta(0, 1), session: 'other' } as ServerFrame,
    ];
    expect(idle.map((frame) => cursor.apply(frame))).toEqual([false, false, false, false]);
  });

  test('of ids that objects treat as their own loses none of them', () => {
    const cursor = new StreamCursor(['__proto__']);
    cursor.apply({ ...delta(0, 2), session: '__proto__', generation: 'constructor' } as ServerFrame);
    const back = new StreamCursor(['__proto__'], cursor.toString());
    expect(back.of('__proto__').positions.get('constructor')).toMatchObject({ epoch: 0, seq: 2 });
  });

  test('is refused when it is none', () => {
    const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const wrong = [
      'x',
      '{}',
      encoded({}),
      encoded([['s']]),
      encoded([['a.b', 0, []]]),
      encoded([['s', -1, []]]),
    ];
    for (const text of [...wrong, encoded([['s', 0, [['g', 0, 1, 3]]]]), 'A'.repeat(MAX_CURSOR_CHARS + 1)])
      expect(() => new StreamCursor(['s'], text)).toThrow('Last-Event-ID');
  });
});
