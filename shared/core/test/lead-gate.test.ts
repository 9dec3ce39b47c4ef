import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ACK_INTERVAL_MS, ACK_TOKENS } from '@sluice/protocol';
import type { Lead } from '@sluice/protocol';
import { INITIAL_LEAD, LeadGate, MAX_LEAD, MIN_LEAD } from '../src/index.ts';

type Path = {
  readonly mode?: Lead;
  readonly tokensPerSecond: number;
  readonly roundTripMs: number;
  readonly forMs: number;
  /** the viewer processes nothing in here, ms */
  readonly stall?: { readonly from: number; readonly to: number };
  /** what the engine makes while it is held: nothing, or tokens that wait in a socket's buffer */
  readonly whileHeld?: 'pauses' | 'buffers';
};

type Run = {
  readonly gate: LeadGate;
  readonly taken: number;
  /** taken up to and including each ms */
  readonly takenAt: readonly number[];
  readonly aheadAt: readonly number[];
  readonly leadAt: readonly number[];
};

/** An ack is sent every 8 tokens or 250 ms, as the protocol advises. */

/** Engine, gate and viewer in steps of one virtual millisecond; every token is a frame of its own. */
const simulate = (path: Path): Run => {
  const { mode = 'adaptive', tokensPerSecond, roundTripMs, forMs, stall, whileHeld = 'pauses' } = path;
  const gate = new LeadGate(mode);
  const arrivals: { at: number; seq: number }[] = [];
  const acks: { at: number; seq: number }[] = [];
  const takenAt: number[] = [];
  const aheadAt: number[] = [];
  const leadAt: number[] = [];
  let [taken, ready, seen, acked, ackedAt] = [0, 0, 0, 0, 0];
  for (let now = 0; now < forMs; now += 1) {
    while (acks[0] !== undefined && acks[0].at <= now) gate.govern(acks.shift()?.seq ?? 0, now);
    if (gate.open || whileHeld === 'buffers') ready += tokensPerSecond / 1_000;
    for (; ready >= 1 && gate.open; ready -= 1) {
      gate.take(now);
      taken += 1;
      arrivals.push({ at: now + roundTripMs / 2, seq: taken });
    }
    if (whileHeld === 'pauses') ready = Math.min(ready, 1);
    const stalled = stall !== undefined && now >= stall.from && now < stall.to;
    while (!stalled && arrivals[0] !== undefined && arrivals[0].at <= now) seen = arrivals.shift()?.seq ?? 0;
    if (seen - acked >= ACK_TOKENS || (seen > acked && now - ackedAt >= ACK_INTERVAL_MS)) {
      [acked, ackedAt] = [seen, now];
      acks.push({ at: now + roundTripMs / 2, seq: seen });
    }
    takenAt.push(taken);
    aheadAt.push(taken - gate.acked);
    leadAt.push(gate.lead);
  }
  return { gate, taken, takenAt, aheadAt, leadAt };
};

const speedOf = ({ takenAt }: Run, from: number, to: number): number =>
  (((takenAt[to - 1] ?? 0) - (takenAt[from] ?? 0)) / (to - 1 - from)) * 1_000;

describe('a reader that keeps acking', () => {
  test.each([
    [100, 300],
    [20, 30],
    [500, 150],
    [50, 1],
    [1_000, 100],
    [2_000, 40],
    [5_000, 20],
  ])('takes %d tokens/s over a round trip of %d ms at full speed', (tokensPerSecond, roundTripMs) => {
    const run = simulate({ tokensPerSecond, roundTripMs, forMs: 20_000 });
    expect(run.taken).toBeGreaterThanOrEqual(0.97 * tokensPerSecond * 20);
  });

  test('never takes the lead beyond its bounds, at any speed and distance', () => {
    const anyPath = fc.record({
      mode: fc.constantFrom<Lead>('adaptive', 'strict'),
      tokensPerSecond: fc.integer({ min: 1, max: 5_000 }),
      roundTripMs: fc.integer({ min: 0, max: 3_000 }),
      whileHeld: fc.constantFrom('pauses' as const, 'buffers' as const),
      stall: fc.record({ from: fc.nat({ max: 1_000 }), to: fc.integer({ min: 1_000, max: 2_000 }) }),
    });
    fc.assert(
      fc.property(anyPath, (path) => {
        const { aheadAt, leadAt } = simulate({ ...path, forMs: 2_500 });
        const most = path.mode === 'strict' ? MIN_LEAD : MAX_LEAD;
        expect(Math.max(...aheadAt)).toBeLessThanOrEqual(most);
        expect(Math.max(...leadAt)).toBeLessThanOrEqual(most);
        expect(Math.min(...leadAt)).toBeGreaterThanOrEqual(MIN_LEAD);
      }),
      { numRuns: 1_000 },
    );
  });

  test('gets the ceiling when the engine uses up any lead within a millisecond', () => {
    const run = simulate({ tokensPerSecond: 1_000_000, roundTripMs: 20, forMs: 2_000 });
    expect(run.leadAt.at(-1)).toBe(MAX_LEAD);
  });

  test('is throttled only by the ceiling on a path longer than it covers', () => {
    const run = simulate({ tokensPerSecond: 1_000, roundTripMs: 500, forMs: 20_000 });
    // 256 tokens per round trip, which an ack interval prolongs.
    expect(speedOf(run, 5_000, 20_000)).toBeGreaterThan(0.8 * (MAX_LEAD / 0.5));
    expect(Math.max(...run.aheadAt)).toBe(MAX_LEAD);
  });
});

describe('a viewer that stops', () => {
  test('without ever acking halts the engine at the initial lead', () => {
    const stall = { from: 0, to: Infinity };
    const run = simulate({ tokensPerSecond: 100, roundTripMs: 100, forMs: 5_000, stall });
    expect(run.taken).toBe(INITIAL_LEAD);
    expect(run.gate.open).toBe(false);
  });

  test('halts it at the lead of that moment, and not a token further', () => {
    const stall = { from: 5_000, to: Infinity };
    const run = simulate({ tokensPerSecond: 100, roundTripMs: 300, forMs: 15_000, stall });
    expect(run.gate.open).toBe(false);
    expect(run.aheadAt.at(-1)).toBe(run.leadAt.at(-1));
    expect(run.takenAt[10_000]).toBe(run.taken);
  });

  test.each(['pauses', 'buffers'] as const)(
    'and comes back gets full speed at once (an engine that %s)',
    (whileHeld) => {
      const stall = { from: 5_000, to: 10_000 };
      const run = simulate({ tokensPerSecond: 100, roundTripMs: 300, forMs: 20_000, stall, whileHeld });
      expect(run.takenAt[10_160]).toBeGreaterThan(run.takenAt[9_999] ?? 0);
      expect(speedOf(run, 10_150, 11_150)).toBeGreaterThanOrEqual(97);
      expect(speedOf(run, 10_150, 20_000)).toBeGreaterThanOrEqual(97);
    },
  );

  test('does not depress the measured speed: a hold is no time in which the engine was slow', () => {
    const stall = { from: 5_000, to: 12_000 };
    const run = simulate({ tokensPerSecond: 100, roundTripMs: 300, forMs: 13_000, stall });
    const before = run.leadAt[4_999] ?? 0;
    // The stall itself counts as one long round trip, so the lead doubles; a lower speed would eat that up.
    expect(run.leadAt[12_200]).toBeGreaterThan(1.9 * before);
  });

  test('for long counts as a long path for no more than some seconds', () => {
    const stall = { from: 5_000, to: 9_000 };
    const run = simulate({ tokensPerSecond: 100, roundTripMs: 300, forMs: 14_000, stall });
    expect(run.leadAt.at(-1)).toBeLessThanOrEqual((run.leadAt[4_999] ?? 0) + 8);
  });
});

describe('strict', () => {
  test('is never more than 16 ahead, whatever is acked when', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat({ max: 30 }), fc.nat({ max: 40 })), { maxLength: 60, size: 'max' }),
        (steps) => {
          const gate = new LeadGate('strict');
          let [taken, now, most] = [0, 0, 0];
          for (const [takes, ack] of steps) {
            for (let i = 0; i < takes && gate.open; i += 1) {
              gate.take((now += 1));
              taken += 1;
            }
            most = Math.max(most, taken - gate.acked);
            gate.govern(gate.acked + ack, (now += 10));
          }
          expect(most).toBeLessThanOrEqual(MIN_LEAD);
          expect(gate.lead).toBe(MIN_LEAD);
        },
      ),
      { numRuns: 1_000 },
    );
    const run = simulate({ mode: 'strict', tokensPerSecond: 500, roundTripMs: 300, forMs: 10_000 });
    expect(Math.max(...run.aheadAt)).toBe(MIN_LEAD);
  });
});

describe('govern', () => {
  const taken = (count: number): LeadGate => {
    const gate = new LeadGate('strict');
    for (let i = 0; i < count; i += 1) gate.take(i);
    return gate;
  };

  test('by an ack that falls, because the viewer that led left, closes the gate', () => {
    const gate = taken(16);
    gate.govern(16, 20);
    expect(gate.open).toBe(true);
    gate.govern(0, 30);
    expect(gate).toMatchObject({ open: false, acked: 0 });
    gate.govern(1, 40);
    expect(gate.open).toBe(true);
  });

  test('by an ack beyond what was taken gives credit for that and no more', () => {
    const gate = taken(10);
    gate.govern(1_000_000, 20);
    expect(gate.acked).toBe(10);
    for (let i = 0; gate.open; i += 1) gate.take(30 + i);
    expect(gate.acked).toBe(10);
  });

  test('by nobody keeps it open; by somebody again counts from their ack', () => {
    const gate = taken(16);
    expect(gate.open).toBe(false);
    gate.govern(Infinity, 20);
    for (let i = 0; i < 1_000; i += 1) gate.take(30 + i);
    expect(gate.open).toBe(true);
    gate.govern(16, 2_000);
    expect(gate).toMatchObject({ open: false, acked: 16 });
  });

  test('decides how far a run that goes on may go beyond what was stored before it', () => {
    const gate = new LeadGate('strict', 500);
    expect(gate).toMatchObject({ open: false, acked: 500 - MIN_LEAD });
    gate.govern(490, 10);
    expect(gate).toMatchObject({ open: true, acked: 490 });
    for (let i = 0; gate.open; i += 1) gate.take(20 + i);
    gate.govern(500, 50);
    for (let i = 0; i < 10; i += 1) gate.take(60 + i);
    expect(gate).toMatchObject({ open: false, acked: 500 });
  });

  test('need not be told of a run that has stored less than the lead, nor of one that nothing governs', () => {
    const gate = new LeadGate('strict', MIN_LEAD - 1);
    expect(gate).toMatchObject({ open: true, acked: 0 });
    const free = new LeadGate('strict', 500);
    free.govern(Infinity, 10);
    expect(free.open).toBe(true);
  });
});
