import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Governor } from '@sluice/protocol';
import { AckLedger } from '../src/index.ts';
import type { LedgerEntry } from '../src/index.ts';

const GOVERNORS: readonly Governor[] = ['fastest', 'owner', 'slowest', 'none'];
const anyGovernor = fc.constantFrom(...GOVERNORS);

const anyEntry: fc.Arbitrary<LedgerEntry> = fc.record(
  {
    epoch: fc.nat({ max: 2 }),
    seq: fc.nat({ max: 50 }),
    viewers: fc.nat({ max: 3 }),
    owner: fc.boolean(),
    at: fc.nat({ max: 100 }),
  },
  { noNullPrototype: true },
);

const entry = (seq: number, change: Partial<LedgerEntry> = {}): LedgerEntry => ({
  epoch: 0,
  seq,
  viewers: 1,
  owner: false,
  at: 0,
  ...change,
});

/** The rule, read naively from its words. */
const naive = (governor: Governor, entries: readonly LedgerEntry[], epoch: number): number => {
  const counted = entries.filter(({ viewers }) => viewers > 0);
  const seqs = counted.map((one) => (one.epoch === epoch ? one.seq : 0));
  const owners = counted.filter(({ owner }) => owner).map((one) => (one.epoch === epoch ? one.seq : 0));
  if (governor === 'none') return Infinity;
  if (governor === 'fastest') return Math.max(0, ...seqs);
  if (governor === 'owner') return Math.max(0, ...owners);
  return seqs.length === 0 ? 0 : Math.min(...seqs);
};

test('the governing ack equals the naive rule after any sets, deletes and expiries', () => {
  const anyParty = fc.constantFrom('a', 'b', 'c', 'd');
  const anyStep = fc.oneof(
    { weight: 5, arbitrary: fc.tuple(fc.constant('set' as const), anyParty, anyEntry) },
    { weight: 1, arbitrary: fc.tuple(fc.constant('delete' as const), anyParty, anyEntry) },
    { weight: 1, arbitrary: fc.tuple(fc.constant('expire' as const), anyParty, anyEntry) },
  );
  fc.assert(
    fc.property(anyGovernor, fc.array(anyStep, { maxLength: 20, size: 'max' }), (governor, steps) => {
      const ledger = new AckLedger(governor);
      let model = new Map<string, LedgerEntry>();
      for (const [type, party, one] of steps) {
        if (type === 'set') {
          ledger.set(party, one);
          model.set(party, one);
        } else if (type === 'delete') {
          ledger.delete(party);
          model.delete(party);
        } else {
          const left = [...model].filter(([, { at }]) => at >= one.at);
          expect(ledger.expire(one.at)).toBe(left.length < model.size);
          model = new Map(left);
        }
        const entries = [...model.values()];
        for (const epoch of [0, 1]) {
          const viewers = entries.reduce((sum, { viewers: count }) => sum + count, 0);
          expect(ledger.governed(epoch)).toEqual({ seq: naive(governor, entries, epoch), viewers });
        }
      }
    }),
    { numRuns: 1_000 },
  );
});

test('edges over viewers, and a worker over edges, agree with one ledger over all viewers', () => {
  fc.assert(
    fc.property(
      anyGovernor,
      fc.array(fc.array(anyEntry, { maxLength: 5 }), { maxLength: 4 }),
      fc.nat({ max: 2 }),
      (governor, edges, epoch) => {
        const flat = new AckLedger(governor);
        const worker = new AckLedger(governor);
        edges.forEach((viewers, e) => {
          const edge = new AckLedger(governor);
          viewers.forEach((viewer, v) => {
            edge.set(`${v}`, viewer);
            flat.set(`${e}.${v}`, viewer);
          });
          // What an edge says of its viewers; it has picked the owner's ack already.
          worker.set(`${e}`, { ...edge.governed(epoch), epoch, owner: true, at: 0 });
        });
        expect(worker.governed(epoch)).toEqual(flat.governed(epoch));
      },
    ),
    { numRuns: 1_000 },
  );
});

describe('governed', () => {
  const ledgerOf = (governor: Governor): AckLedger => {
    const ledger = new AckLedger(governor);
    ledger.set('fast', entry(40));
    ledger.set('author', entry(25, { owner: true }));
    ledger.set('slow', entry(10));
    return ledger;
  };

  test.each([
    ['fastest', 40],
    ['owner', 25],
    ['slowest', 10],
    ['none', Infinity],
  ] as const)('by %s is %d', (governor, seq) => {
    expect(ledgerOf(governor).governed(0)).toEqual({ seq, viewers: 3 });
  });

  test.each(GOVERNORS)('by %s without viewers is 0, or unbounded with none', (governor) => {
    const nobody = { seq: governor === 'none' ? Infinity : 0, viewers: 0 };
    expect(new AckLedger(governor).governed(0)).toEqual(nobody);
  });

  test('falls when the party that led leaves', () => {
    const ledger = ledgerOf('fastest');
    ledger.delete('fast');
    expect(ledger.governed(0)).toEqual({ seq: 25, viewers: 2 });
  });

  test('does not count a party that speaks for nobody', () => {
    const ledger = ledgerOf('slowest');
    ledger.set('slow', entry(10, { viewers: 0 }));
    expect(ledger.governed(0)).toEqual({ seq: 25, viewers: 2 });
  });

  test('counts acks of another epoch as nothing yet, not as absent', () => {
    const ledger = ledgerOf('slowest');
    ledger.set('fast', entry(40, { epoch: 1 }));
    expect(ledger.governed(0)).toEqual({ seq: 0, viewers: 3 });
    expect(ledger.governed(1)).toEqual({ seq: 0, viewers: 3 });
  });

  test('forgets a silent edge, and keeps one that spoke exactly at the cutoff', () => {
    const ledger = ledgerOf('fastest');
    ledger.set('fast', entry(40, { at: 99 }));
    ledger.set('author', entry(25, { at: 100 }));
    ledger.set('slow', entry(10, { at: 101 }));
    expect(ledger.expire(100)).toBe(true);
    expect(ledger.expire(100)).toBe(false);
    expect(ledger.governed(0)).toEqual({ seq: 25, viewers: 2 });
  });
});
