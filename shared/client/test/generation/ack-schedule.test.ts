import { describe, expect, test } from '@jest/globals';
import { ACK_INTERVAL_MS, ACK_TOKENS } from '@sluice/protocol';
import fc from 'fast-check';
import { AckSchedule } from '../../src/generation/ack-schedule.ts';

const received = (schedule: AckSchedule, seqs: readonly number[], now = 0): void => {
  for (const seq of seqs) {
    schedule.arrived(seq);
    schedule.processed(seq, now);
  }
};

describe('an ack schedule', () => {
  test('acks a quarter of the window at once', () => {
    const schedule = new AckSchedule(16);
    received(schedule, [1, 2, 3]);
    expect(schedule.take(0)).toBeUndefined();
    received(schedule, [5]);
    expect(schedule.take(0)).toBe(5);
    expect(schedule.dueAt).toBeUndefined();
  });

  test('acks 8 tokens at once, however few frames they came in', () => {
    const schedule = new AckSchedule(256);
    received(schedule, [ACK_TOKENS - 1]);
    expect(schedule.take(0)).toBeUndefined();
    received(schedule, [ACK_TOKENS]);
    expect(schedule.take(0)).toBe(ACK_TOKENS);
    received(schedule, [ACK_TOKENS + 7]);
    expect(schedule.take(0)).toBeUndefined();
  });

  test('acks a single frame after 250 ms', () => {
    const schedule = new AckSchedule(32);
    received(schedule, [5], 1_000);
    expect(schedule.dueAt).toBe(1_000 + ACK_INTERVAL_MS);
    expect(schedule.take(1_249)).toBeUndefined();
    expect(schedule.take(1_250)).toBe(5);
  });

  test('acks every frame when the window is too small for a quarter', () => {
    const schedule = new AckSchedule(1);
    received(schedule, [3]);
    expect(schedule.take(0)).toBe(3);
  });

  test('acks what is owed at the end at once', () => {
    const schedule = new AckSchedule(256);
    received(schedule, [1, 2]);
    schedule.finish();
    expect(schedule.take(0)).toBe(2);
  });

  test('owes nothing for a frame that is consumed in part', () => {
    const schedule = new AckSchedule(4);
    schedule.arrived(10);
    schedule.processed(9, 0);
    expect(schedule.dueAt).toBeUndefined();
    schedule.processed(10, 0);
    expect(schedule.take(0)).toBe(10);
  });
});

test('acks rise, never exceed what was processed, and reach it within 250 ms', () => {
  const frames = fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.nat(60)), { minLength: 1 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 256 }), frames, (window, steps) => {
      const schedule = new AckSchedule(window);
      let now = 0;
      let seq = 0;
      let acked = 0;
      let unacked = 0;
      for (const [tokens, ms] of steps) {
        now += ms;
        seq += tokens;
        unacked += 1;
        received(schedule, [seq], now);
        const taken = schedule.take(now);
        if (taken !== undefined) {
          expect(taken).toBeGreaterThan(acked);
          expect(taken).toBeLessThanOrEqual(seq);
          acked = taken;
          unacked = 0;
        }
        expect(unacked).toBeLessThan(Math.max(1, Math.floor(window / 4)) + 1);
        expect(seq - acked).toBeLessThan(ACK_TOKENS);
      }
      const last = schedule.take(now + ACK_INTERVAL_MS) ?? acked;
      expect(last).toBe(seq);
    }),
  );
});
