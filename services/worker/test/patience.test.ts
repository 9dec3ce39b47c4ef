import { describe, expect, test } from '@jest/globals';
import type { PromptBody } from '@sluice/protocol';
import { Patience } from '../src/runs/patience.ts';
import type { Verdict } from '../src/runs/patience.ts';

type Moment = { readonly heldMs?: number; readonly aloneMs?: number; readonly canContinue?: boolean };

const HOLD_MS = 30_000;

const attentionAt = (now: number, { heldMs = 0, aloneMs = 0, canContinue = false }: Moment) => ({
  ...{ now, heldMs, aloneMs },
  canContinue: () => canContinue,
});

/** What becomes of a run that is held from 0 on, and when; undefined: nothing within a minute and a half. */
const heldRun = (
  policy: PromptBody['onAbandon'],
  { canContinue = false, isAlone = false } = {},
): { readonly at: number; readonly verdict: Verdict } | undefined => {
  const patience = new Patience(policy, HOLD_MS);
  for (let now = 0; now <= 90_000; now += 100) {
    const moment = { heldMs: now, aloneMs: isAlone ? now : 0, canContinue };
    const verdict = patience.judge(attentionAt(now, moment));
    if (verdict !== undefined) return { at: now, verdict };
  }
  return undefined;
};

describe('a run whose viewers do not ack', () => {
  test.each([
    ['park', true, 2_000, 'park'],
    ['finish', true, 2_000, 'park'],
    ['cancel', true, 2_000, 'park'],
    ['park', false, HOLD_MS, 'unbind'],
    ['finish', false, HOLD_MS, 'unbind'],
    ['cancel', false, HOLD_MS, 'abandoned'],
  ] as const)('with policy %s, continuable: %p: after %d ms %s', (policy, canContinue, at, verdict) => {
    expect(heldRun(policy, { canContinue })).toEqual({ at, verdict });
  });

  test.each([
    ['park', HOLD_MS, 'unbind'],
    ['cancel', 10_000, 'abandoned'],
  ] as const)('and has none, with policy %s: after %d ms %s', (policy, at, verdict) => {
    expect(heldRun(policy, { isAlone: true })).toEqual({ at, verdict });
  });

  test('but for a token now and then is held no longer in all', () => {
    const patience = new Patience('park', HOLD_MS);
    let verdict: Verdict | undefined;
    let now = 0;
    for (; verdict === undefined; now += 100)
      verdict = patience.judge(attentionAt(now, { heldMs: now % 20_000 }));
    expect(verdict).toBe('unbind');
    expect(now).toBeLessThan(HOLD_MS + 1_000);
  });

  test('now and then is not ended for it', () => {
    const patience = new Patience('cancel', HOLD_MS);
    for (let now = 0; now < 120_000; now += 100)
      expect(patience.judge(attentionAt(now, { heldMs: now % 20_000 }))).not.toBe('abandoned');
  });
});

describe('a run that is asked to make room', () => {
  const wayOut = (moment: Moment, party: { isFarAhead?: boolean; isUnseen?: boolean }, policy?: 'finish') =>
    new Patience(policy, HOLD_MS).wayOut(attentionAt(0, moment), {
      isFarAhead: false,
      isUnseen: false,
      ...party,
    });

  test('stays where the other has as many slots but one, unless it has been held for two seconds', () => {
    expect(wayOut({ canContinue: true }, { isUnseen: true })).toBeUndefined();
    expect(wayOut({ heldMs: 1_900 }, {})).toBeUndefined();
    expect(wayOut({ heldMs: 2_000 }, {})).toBe('park');
  });

  test('goes for one that has two slots less, if it is held, or can go on later, or nobody has seen anything', () => {
    const isFarAhead = true;
    expect(wayOut({}, { isFarAhead })).toBeUndefined();
    expect(wayOut({ heldMs: 250 }, { isFarAhead })).toBe('yield');
    expect(wayOut({ canContinue: true }, { isFarAhead })).toBe('yield');
    expect(wayOut({}, { isFarAhead, isUnseen: true })).toBe('yield');
  });

  test('is parked only where a viewer is what it waits for', () => {
    expect(wayOut({ heldMs: 2_000 }, { isFarAhead: true })).toBe('park');
    expect(wayOut({ heldMs: 2_000 }, { isFarAhead: true }, 'finish')).toBe('yield');
  });
});
