import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Reader } from '../src/index.ts';
import type { LogBounds } from '../src/index.ts';

const log = (head: number, change: Partial<LogBounds> = {}): LogBounds => ({
  epoch: 0,
  base: 0,
  head,
  end: undefined,
  ...change,
});

describe('next', () => {
  test('is idle before the first token, a delta when there is one, idle again once sent', () => {
    const reader = new Reader(4);
    expect(reader.next(log(0))).toBe('idle');
    expect(reader.next(log(1))).toBe('delta');
    reader.advance(1);
    expect(reader.next(log(1))).toBe('idle');
  });

  test('resets a position ahead of the log, and one of another epoch (R2)', () => {
    expect(new Reader(4, { epoch: 0, seq: 5 }).next(log(4))).toBe('reset');
    expect(new Reader(4, { epoch: 1, seq: 0 }).next(log(4))).toBe('reset');
    expect(new Reader(4, { epoch: 0, seq: 2 }).next(log(4, { epoch: 1 }))).toBe('reset');
    expect(new Reader(4, { epoch: 0, seq: 4 }).next(log(4))).toBe('idle');
  });

  test('starts in whatever epoch the log is in when no position is given', () => {
    const reader = new Reader(4);
    expect(reader.next(log(1, { epoch: 7 }))).toBe('delta');
    expect(reader.epoch).toBe(7);
  });

  test('is behind when the log held here starts later than its position', () => {
    expect(new Reader(4, { epoch: 0, seq: 31 }).next(log(40, { base: 32 }))).toBe('behind');
    expect(new Reader(4, { epoch: 0, seq: 32 }).next(log(40, { base: 32 }))).toBe('delta');
  });

  test('ends once, after the last delta, and again only after a restart', () => {
    const ended = log(2, { end: { reason: 'stop' } });
    const reader = new Reader(4);
    expect(reader.next(ended)).toBe('delta');
    reader.advance(2);
    expect(reader.next(ended)).toBe('end');
    reader.finish();
    expect(reader.ended).toBe(true);
    expect(reader.next(ended)).toBe('idle');
    reader.restart(1);
    expect(reader.ended).toBe(false);
  });

  test('gives the end even without credit: it is no delta', () => {
    const reader = new Reader(1);
    reader.next(log(1));
    reader.advance(1);
    expect(reader.next(log(2))).toBe('blocked');
    expect(reader.next(log(1, { end: { reason: 'stop' } }))).toBe('end');
  });
});

describe('ack', () => {
  const inFlight = (): Reader => {
    const reader = new Reader(3);
    reader.next(log(9));
    for (const seq of [2, 5, 9]) reader.advance(seq);
    return reader;
  };

  test('frees the frames it covers whole', () => {
    const reader = inFlight();
    expect(reader.next(log(10))).toBe('blocked');
    expect(reader.ack({ epoch: 0, seq: 4 })).toBe(true);
    expect(reader.inFlight).toBe(2);
    expect(reader.next(log(10))).toBe('delta');
    expect(reader.ack({ epoch: 0, seq: 9 })).toBe(true);
    expect(reader.inFlight).toBe(0);
  });

  test('of tokens never sent, of another epoch, or repeated, moves nothing', () => {
    const reader = inFlight();
    reader.ack({ epoch: 0, seq: 2 });
    for (const position of [
      { epoch: 0, seq: 10 },
      { epoch: 0, seq: Number.MAX_SAFE_INTEGER },
      { epoch: 1, seq: 9 },
      { epoch: 0, seq: 2 },
      { epoch: 0, seq: 0 },
    ])
      expect(reader.ack(position)).toBe(false);
    expect(reader).toMatchObject({ acked: 2, inFlight: 2 });
  });

  test('before the epoch is known moves nothing', () => {
    expect(new Reader(3).ack({ epoch: 0, seq: 1 })).toBe(false);
  });

  test('from before a restart gives no credit after it', () => {
    const reader = inFlight();
    reader.restart(1);
    reader.advance(4);
    expect(reader.ack({ epoch: 0, seq: 2 })).toBe(false);
    expect(reader).toMatchObject({ epoch: 1, acked: 0, sent: 4, inFlight: 1 });
  });

  test('is not needed by an observer, who has nothing in flight ever', () => {
    const reader = new Reader(Infinity);
    for (let seq = 1; seq <= 1_000; seq += 1) {
      expect(reader.next(log(seq))).toBe('delta');
      reader.advance(seq);
    }
    expect(reader).toMatchObject({ acked: 1_000, inFlight: 0 });
  });
});

test('a reader equals the naive one: frames sent, minus frames wholly acked, up to the window', () => {
  const anyStep = fc.oneof(
    fc.record({ type: fc.constant('grow' as const), by: fc.integer({ min: 1, max: 9 }) }),
    fc.record({ type: fc.constant('ack' as const), seq: fc.integer({ min: -2, max: 120 }) }),
  );
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 8 }),
      fc.array(anyStep, { maxLength: 30, size: 'max' }),
      (window, steps) => {
        const reader = new Reader(window);
        let head = 0;
        let sent: number[] = [];
        let acked = 0;
        for (const step of steps) {
          if (step.type === 'grow') head += step.by;
          else if (step.seq <= reader.sent) {
            acked = Math.max(acked, step.seq);
            reader.ack({ epoch: 0, seq: step.seq });
          } else expect(reader.ack({ epoch: 0, seq: step.seq })).toBe(false);
          sent = sent.filter((seq) => seq > acked);
          const next = reader.next(log(head));
          expect(next).toBe(reader.sent === head ? 'idle' : sent.length >= window ? 'blocked' : 'delta');
          if (next === 'delta') {
            reader.advance(head);
            sent.push(head);
          }
          expect(reader).toMatchObject({ acked, inFlight: sent.length });
        }
      },
    ),
    { numRuns: 1_000 },
  );
});
