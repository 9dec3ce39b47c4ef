import { describe, expect, test } from '@jest/globals';
import { ACK_INTERVAL_MS, ACK_TOKENS } from '@sluice/protocol';
import fc from 'fast-check';
import { Acker } from '../../src/generation/acker.ts';

const received = (acker: Acker, seqs: readonly number[], now = 0): void => {
  for (const seq of seqs) {
    acker.arrived(seq);
    acker.processed(seq, now);
  }
};

describe('an acker', () => {
  test('acks a quarter of the window at once', () => {
    const acker = new Acker(16);
    received(acker, [1, 2, 3]);
    expect(acker.take(0)).toBeUndefined();
    received(acker, [5]);
    expect(acker.take(0)).toBe(5);
    expect(acker.dueAt).toBeUndefined();
  });

  test('acks 8 tokens at once, however few frames they came in', () => {
    const acker = new Acker(256);
    received(acker, [ACK_TOKENS - 1]);
    expect(acker.take(0)).toBeUndefined();
    received(acker, [ACK_TOKENS]);
    expect(acker.take(0)).toBe(ACK_TOKENS);
    received(acker, [ACK_TOKENS + 7]);
    expect(acker.take(0)).toBeUndefined();
  });

  test('acks a single frame after 250 ms', () => {
    const acker = new Acker(32);
    received(acker, [5], 1_000);
    expect(acker.dueAt).toBe(1_000 + ACK_INTERVAL_MS);
    expect(acker.take(1_249)).toBeUndefined();
    expect(acker.take(1_250)).toBe(5);
  });

  test('acks every frame when the window is too small for a quarter', () => {
    const acker = new Acker(1);
    received(acker, [3]);
    expect(acker.take(0)).toBe(3);
  });

  test('acks what is owed at the end at once', () => {
    const acker = new Acker(256);
    received(acker, [1, 2]);
    acker.finish();
    expect(acker.take(0)).toBe(2);
  });

  test('owes nothing for a frame that is consumed in part', () => {
    const acker = new Acker(4);
    acker.arrived(10);
    acker.processed(9, 0);
    expect(acker.dueAt).toBeUndefined();
    acker.processed(10, 0);
    expect(acker.take(0)).toBe(10);
  });
});

test('acks rise, never exceed what was processed, and reach it within 250 ms', () => {
  const frames = fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.nat(60)), { minLength: 1 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 256 }), frames, (window, steps) => {
      const acker = new Acker(window);
      let now = 0;
      let seq = 0;
      let acked = 0;
      let unacked = 0;
      for (const [tokens, ms] of steps) {
        now += ms;
        seq += tokens;
        unacked += 1;
        received(acker, [seq], now);
        const taken = acker.take(now);
        if (taken !== undefined) {
          expect(taken).toBeGreaterThan(acked);
          expect(taken).toBeLessThanOrEqual(seq);
          acked = taken;
          unacked = 0;
        }
        expect(unacked).toBeLessThan(Math.max(1, Math.floor(window / 4)) + 1);
        expect(seq - acked).toBeLessThan(ACK_TOKENS);
      }
      const last = acker.take(now + ACK_INTERVAL_MS) ?? acked;
      expect(last).toBe(seq);
    }),
  );
});
