import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { placeSession } from '../src/index.ts';
import type { Seat } from '../src/index.ts';

const anyName = fc.stringMatching(/^[a-z0-9-]{1,12}$/);
const anySeats = (load: fc.Arbitrary<number>): fc.Arbitrary<Seat[]> =>
  fc.uniqueArray(fc.record({ worker: anyName, slots: fc.integer({ min: 1, max: 100 }), load }), {
    selector: ({ worker }) => worker,
    minLength: 1,
    maxLength: 12,
  });
const idle = anySeats(fc.constant(0));
const loaded = anySeats(fc.nat({ max: 120 }));
const anySession = fc.stringMatching(/^[a-z0-9.]{1,20}$/);

const sessions = Array.from({ length: 2_000 }, (_, n) => `acme.session-${n}`);
const seatsOf = (count: number, slots = 64): Seat[] =>
  Array.from({ length: count }, (_, n) => ({ worker: `w-${n}`, slots, load: 0 }));

const sum = (seats: readonly Seat[], field: 'slots' | 'load'): number =>
  seats.reduce((total, seat) => total + seat[field], 0);

describe('placing a session', () => {
  test('finds a worker with a free slot whenever there is one, and none else', () => {
    fc.assert(
      fc.property(anySession, loaded, (session, seats) => {
        const placed = placeSession(session, seats);
        const isRoom = seats.some(({ slots, load }) => load < slots);
        expect(placed !== undefined).toBe(isRoom);
        const seat = seats.find(({ worker }) => worker === placed);
        if (seat !== undefined) expect(seat.load).toBeLessThan(seat.slots);
      }),
    );
  });

  test('gives a worker at most half its slots, or 1.25 times its share of the load', () => {
    fc.assert(
      fc.property(anySession, loaded, (session, seats) => {
        const seat = seats.find(({ worker }) => worker === placeSession(session, seats));
        if (seat === undefined) return;
        const share = ((sum(seats, 'load') + 1) * seat.slots) / sum(seats, 'slots');
        expect(seat.load + 1).toBeLessThanOrEqual(Math.ceil(Math.max(seat.slots / 2, 1.25 * share)));
      }),
    );
  });

  test('does not depend on the order in which the workers are known', () => {
    fc.assert(
      fc.property(
        anySession,
        loaded.chain((seats) =>
          fc.tuple(fc.constant(seats), fc.shuffledSubarray(seats, { minLength: seats.length })),
        ),
        (session, [seats, shuffled]) =>
          expect(placeSession(session, shuffled)).toBe(placeSession(session, seats)),
      ),
    );
  });

  test('moves to a worker that comes, or stays where it was', () => {
    fc.assert(
      fc.property(anySession, idle, anyName, (session, seats, worker) => {
        fc.pre(seats.every((seat) => seat.worker !== worker));
        const before = placeSession(session, seats);
        const after = placeSession(session, [...seats, { worker, slots: 10, load: 0 }]);
        expect([before, worker]).toContain(after);
      }),
    );
  });

  test('moves when its worker goes, and at no other departure', () => {
    fc.assert(
      fc.property(anySession, idle, fc.nat(), (session, seats, at) => {
        const gone = seats[at % seats.length];
        const before = placeSession(session, seats);
        const after = placeSession(
          session,
          seats.filter((seat) => seat !== gone),
        );
        if (before === gone?.worker) expect(after).not.toBe(before);
        else expect(after).toBe(before);
      }),
    );
  });

  test('passes on from a worker at its bound to the same next one as if that worker were gone', () => {
    const seats = seatsOf(5);
    for (const session of sessions.slice(0, 200)) {
      const owner = placeSession(session, seats);
      const full = seats.map((seat) => (seat.worker === owner ? { ...seat, load: 64 } : seat));
      const without = seats.filter(({ worker }) => worker !== owner);
      expect(placeSession(session, full)).toBe(placeSession(session, without));
    }
  });

  test('spreads sessions by slots', () => {
    const seats = [...seatsOf(3), { worker: 'large', slots: 192, load: 0 }];
    const counts = new Map<string | undefined, number>();
    for (const session of sessions) {
      const worker = placeSession(session, seats);
      counts.set(worker, (counts.get(worker) ?? 0) + 1);
    }
    for (const { worker, slots } of seats) {
      const share = (counts.get(worker) ?? 0) / sessions.length;
      expect(share / (slots / 384)).toBeGreaterThan(0.85);
      expect(share / (slots / 384)).toBeLessThan(1.15);
    }
  });

  test('is the same in every release: sessions keep their caches over an upgrade', () => {
    const seats = seatsOf(4);
    expect(sessions.slice(0, 8).map((session) => placeSession(session, seats))).toMatchInlineSnapshot(`
      [
        "w-0",
        "w-1",
        "w-2",
        "w-3",
        "w-2",
        "w-3",
        "w-1",
        "w-1",
      ]
    `);
  });

  test('needs a worker', () => {
    expect(placeSession('acme.s', [])).toBeUndefined();
  });
});
