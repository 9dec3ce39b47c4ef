import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { FrameQueues } from '../../src/connections/frame-queues.ts';
import type { Turn } from '../../src/connections/frame-queues.ts';

const MAX_FRAMES = 256;
const MAX_SIZE = 1024 * 1024;

/** Queues, and what has been started of them. */
class Order {
  readonly queues = new FrameQueues();
  /** started and not done */
  readonly underWay = new Set<Turn>();
  readonly started: Turn[] = [];

  /** @returns undefined when it was not taken */
  add(keys: readonly string[], size = 1): Turn | undefined {
    const turn: Turn = {
      keys,
      size,
      start: () => {
        this.started.push(turn);
        this.underWay.add(turn);
      },
    };
    return this.queues.add(turn) ? turn : undefined;
  }

  done(turn: Turn | undefined): void {
    if (turn === undefined || !this.underWay.delete(turn))
      throw new Error('expected a turn that was started');
    this.queues.done(turn);
  }
}

/** Whether the later of two turns has to wait for the earlier. */
const waitsFor = (later: Turn, earlier: Turn): boolean =>
  earlier.keys.length === 0 || later.keys.some((key) => earlier.keys.includes(key));

const anArrival = fc.record({
  keys: fc.oneof(
    { weight: 1, arbitrary: fc.constant<string[]>([]) },
    {
      weight: 9,
      arbitrary: fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'a.1', 'b.1'), { minLength: 1, maxLength: 3 }),
    },
  ),
});
/** an arrival, or the end of one of those under way */
const aStep = fc.oneof(anArrival, fc.record({ ends: fc.nat() }));

test('whatever comes and ends when, each waits for those before it that share a key, and for nothing else', () => {
  fc.assert(
    fc.property(fc.array(aStep, { maxLength: 80 }), (steps) => {
      const order = new Order();
      let [open, starts]: [Turn[], number] = [[], 0];
      const check = (): void => {
        const due = open.filter((turn, at) => !open.slice(0, at).some((earlier) => waitsFor(turn, earlier)));
        expect(new Set(order.underWay)).toEqual(new Set(due));
      };
      const end = (turn: Turn): void => {
        open = open.filter((other) => other !== turn);
        order.done(turn);
        check();
      };
      for (const step of steps) {
        const underWay = [...order.underWay];
        if ('keys' in step) {
          open.push(order.add(step.keys) as Turn);
          starts += 1;
        } else if (underWay.length > 0) end(underWay[step.ends % underWay.length] as Turn);
        check();
      }
      while (open.length > 0) end([...order.underWay].at(-1) as Turn);
      expect(order.started).toHaveLength(starts);
      expect(order.queues.size).toBe(0);
    }),
    { numRuns: 2_000 },
  );
});

describe('bounds', () => {
  const take = (order: Order, keys: (at: number) => readonly string[], size?: number): number => {
    let taken = 0;
    for (let at = 0; at < 3 * MAX_FRAMES; at += 1) if (order.add(keys(at), size) !== undefined) taken += 1;
    return taken;
  };

  test('one key has at most 256, all together twice that', () => {
    const order = new Order();
    expect(take(order, () => ['a'])).toBe(MAX_FRAMES);
    expect(take(order, (at) => [`b${at}`])).toBe(MAX_FRAMES);
    expect(order.add(['c'])).toBeUndefined();
    expect(order.add([])).toBeUndefined();
  });

  test('and 1 MiB, all together 2 MiB', () => {
    const order = new Order();
    expect(take(order, () => ['a'], MAX_SIZE / 4)).toBe(4);
    expect(take(order, (at) => [`b${at}`], MAX_SIZE / 4)).toBe(4);
    expect(order.add(['c'], 1)).toBeUndefined();
  });

  test('count what is under way, and are free again once it is done', () => {
    const order = new Order();
    const first = order.add(['a'], MAX_SIZE);
    expect(order.add(['a'], 1)).toBeUndefined();
    order.done(first);
    expect(order.add(['a'], MAX_SIZE)).toBeDefined();
  });

  test('let one alone be as large as it likes', () => {
    const order = new Order();
    expect(order.add(['a'], 10 * MAX_SIZE)).toBeDefined();
    expect(order.add(['b'], 1)).toBeUndefined();
  });
});

test('a closed one starts nothing more, whatever ends', () => {
  const order = new Order();
  const gate = order.add([]);
  const waiting = [order.add(['a']), order.add(['a', 'b'])];
  order.queues.close();
  order.done(gate);
  expect(waiting.every((turn) => turn !== undefined)).toBe(true);
  expect(order.started).toEqual([gate]);
  expect(order.queues.size).toBe(0);
});
