import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Pacer } from '../src/engine/pacer.ts';
import { TickHeap } from '../src/engine/tick-heap.ts';
import { ManualClock } from './manual-clock.ts';
import { never } from '@sluice/testkit';

describe('the tick heap', () => {
  test('yields its numbers in order', () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), (numbers) => {
        const heap = new TickHeap();
        for (const number of numbers) heap.push(number);
        const drained: number[] = [];
        for (let next = heap.smallest; next !== undefined; next = heap.smallest) {
          drained.push(next);
          heap.pop();
        }
        expect(drained).toEqual([...numbers].sort((a, b) => a - b));
      }),
    );
  });
});

describe('the pacer', () => {
  test('wakes each waiter at its due time or within the resolution, never before', async () => {
    const clock = new ManualClock();
    const pacer = new Pacer(clock, 2);
    const dues = [0.5, 1, 7.3, 7.9, 50, 333.3, 20].map((ms) => clock.now() + ms);
    const woken: { due: number; at: number }[] = [];
    for (const due of dues) {
      const pace = pacer.pace(never());
      void pace.until(due).then(() => woken.push({ due, at: clock.now() }));
    }
    await clock.advance(400);
    expect(woken.map(({ due }) => due)).toEqual([...dues].sort((a, b) => a - b));
    for (const { due, at } of woken) {
      expect(at).toBeGreaterThanOrEqual(due);
      expect(at - due).toBeLessThan(3);
    }
    expect(clock.pending).toBe(0);
  });

  test('serves a thousand waiters with one timer', async () => {
    const clock = new ManualClock();
    const pacer = new Pacer(clock, 2);
    let woken = 0;
    for (let run = 0; run < 1_000; run += 1) {
      void pacer
        .pace(never())
        .until(clock.now() + 50 - run / 100)
        .then(() => (woken += 1));
    }
    expect(clock.pending).toBe(1);
    await clock.advance(60);
    expect(woken).toBe(1_000);
    expect(clock.timersSet).toBeLessThanOrEqual(20);
  });

  test('an abort ends the wait at once, and the last one leaves no timer', async () => {
    const clock = new ManualClock();
    const pacer = new Pacer(clock, 2);
    const aborts = [new AbortController(), new AbortController()];
    const waits = aborts.map(({ signal }) => pacer.pace(signal).until(clock.now() + 1_000));
    aborts[0]?.abort(new Error('enough'));
    await expect(waits[0]).rejects.toThrow('enough');
    expect(clock.pending).toBe(1);
    aborts[1]?.abort(new Error('enough too'));
    await expect(waits[1]).rejects.toThrow('enough too');
    expect(clock.pending).toBe(0);
  });

  test('a waiter may wait again from its wake-up', async () => {
    const clock = new ManualClock();
    const pace = new Pacer(clock, 2).pace(never());
    const start = clock.now();
    const at: number[] = [];
    const run = async (): Promise<void> => {
      for (let step = 1; step <= 20; step += 1) {
        await pace.until(start + step * 3.7);
        at.push(clock.now() - start);
      }
    };
    void run();
    await clock.advance(100);
    expect(at).toHaveLength(20);
    for (const [index, time] of at.entries()) expect(time - (index + 1) * 3.7).toBeLessThan(3);
  });
});
