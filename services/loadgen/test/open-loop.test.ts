import { expect, test } from '@jest/globals';
import { OpenLoop } from '../src/clients/open-loop.ts';

const INTERVAL_MS = 50;
const STARTED_AT = 1_000_000;

test('a token that waited before its record was made is late by that wait too', () => {
  const loop = new OpenLoop(INTERVAL_MS);
  loop.begin();
  const due = (seq: number): number => STARTED_AT + seq * INTERVAL_MS;
  loop.delta({ generation: 'g', from: 0, seq: 1, at: due(1) }, due(1) + 2);
  loop.mark();
  // Tokens 2 to 4 ride together: the record is made when the last is due, and 100 ms late for the first.
  loop.delta({ generation: 'g', from: 1, seq: 4, at: due(4) }, due(4) + 2);
  const { all, first } = loop.read();
  expect(first).toMatchObject({ count: 1, p50: expect.closeTo(2, 1) });
  expect(all.count).toBe(3);
  expect(all.p50).toBeCloseTo(52, 0);
  expect(all.p99).toBeCloseTo(102, 0);
});

test('a queue in front of the record counts, whatever the record says', () => {
  const loop = new OpenLoop(INTERVAL_MS);
  const at = (seq: number, waitMs: number): number => STARTED_AT + seq * INTERVAL_MS + waitMs;
  loop.delta({ generation: 'g', from: 0, seq: 1, at: at(1, 0) }, at(1, 0));
  loop.mark();
  loop.delta({ generation: 'g', from: 1, seq: 2, at: at(2, 400) }, at(2, 401));
  expect(loop.read().all.p50).toBeCloseTo(401, 0);
});
