import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '../src/index.ts';

describe('ManualClock', () => {
  test('stands still until it is advanced', () => {
    const clock = new ManualClock(1_000);
    let fired = 0;
    clock.setTimeout(() => (fired += 1), 10);
    expect([clock.now(), clock.pending, clock.nextInMs]).toEqual([1_000, 1, 10]);
    clock.advance(9);
    expect(fired).toBe(0);
    clock.advance(1);
    expect([fired, clock.now(), clock.pending]).toEqual([1, 1_010, 0]);
  });

  test('fires in order of time, then of setting, each at its own time', () => {
    const clock = new ManualClock(0);
    const fired: string[] = [];
    const note = (name: string) => (): void => void fired.push(`${name}@${clock.now()}`);
    clock.setTimeout(note('late'), 20);
    clock.setTimeout(note('first'), 10);
    clock.setTimeout(note('second'), 10);
    clock.advance(100);
    expect(fired).toEqual(['first@10', 'second@10', 'late@20']);
  });

  test('a timer may set timers that fall due in the same advance', () => {
    const clock = new ManualClock(0);
    const ticks: number[] = [];
    const tick = (): void => {
      ticks.push(clock.now());
      clock.setTimeout(tick, 10);
    };
    clock.setTimeout(tick, 10);
    clock.advance(35);
    expect(ticks).toEqual([10, 20, 30]);
  });

  test('a cleared timer does not fire', () => {
    const clock = new ManualClock();
    const timer = clock.setTimeout(() => {
      throw new Error('fired');
    }, 10);
    clock.clearTimeout(timer);
    clock.clearTimeout(undefined);
    clock.advance(20);
    expect(clock.pending).toBe(0);
  });

  test('advanceAsync lets promises settle between timers', async () => {
    const clock = new ManualClock(0);
    const seen: string[] = [];
    clock.setTimeout(() => void Promise.resolve().then(() => seen.push('continuation')), 10);
    clock.setTimeout(() => void seen.push('second timer'), 20);
    await clock.advanceAsync(20);
    expect(seen).toEqual(['continuation', 'second timer']);
  });
});
