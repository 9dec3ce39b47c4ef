import { expect, test } from '@jest/globals';
import { parseOrg } from '@sluice/protocol';
import { SignalBudget } from '../../src/connections/signal-budget.ts';

const ANN = { org: parseOrg('acme'), user: 'ann' };
const BOB = { org: parseOrg('acme'), user: 'bob' };

test('over a minute a user gets the rate, and one second’s worth ahead of it', () => {
  const budget = new SignalBudget(1_000);
  let bytes = 0;
  for (let now = 0; now < 60_000; now += 10) if (budget.take(ANN, 100, now) === 0) bytes += 100;
  expect(bytes).toBeGreaterThanOrEqual(60_000);
  expect(bytes).toBeLessThanOrEqual(61_100);
});

test('one signal to a crowd is taken, and paid off before the next one', () => {
  const budget = new SignalBudget(1_000);
  expect(budget.take(ANN, 11_000, 0)).toBe(0);
  expect(budget.take(ANN, 10, 0)).toBe(10_000);
  expect(budget.take(ANN, 10, 9_990)).toBe(10);
  expect(budget.take(ANN, 10, 10_000)).toBe(0);
});

test('no debt lasts longer than a minute', () => {
  const budget = new SignalBudget(1_000);
  budget.take(ANN, 1_000_000_000, 0);
  expect(budget.take(ANN, 10, 0)).toBe(59_000);
});

test('nobody pays for somebody else', () => {
  const budget = new SignalBudget(1_000);
  budget.take(ANN, 60_000, 0);
  expect(budget.take(BOB, 10, 0)).toBe(0);
  expect(budget.take({ org: parseOrg('globex'), user: 'ann' }, 10, 0)).toBe(0);
});
