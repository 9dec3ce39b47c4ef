import { expect, test } from '@jest/globals';
import { planOf } from './nemesis.ts';
import { failuresOf, FAULTLESS, tableOf } from './report.ts';
import { faultRun } from './run.ts';
import { chosenSeed, SeededRandom } from '@sluice/testkit';

const PLAN = { durationMs: 20_000, everyMs: [1_000, 3_000] } as const;

test('a seed repeats its plan, and another one makes another plan', () => {
  expect(planOf(new SeededRandom(7), PLAN)).toEqual(planOf(new SeededRandom(7), PLAN));
  expect(planOf(new SeededRandom(7), PLAN)).not.toEqual(planOf(new SeededRandom(8), PLAN));
});

test('under random faults every viewer ends with the stored text, nothing lost, twice or foreign', async () => {
  const report = await faultRun(
    {
      name: 'seeded faults, short',
      seed: chosenSeed(),
      edges: 2,
      workers: 3,
      tokensPerSecond: 60,
      load: { sessions: 5, viewers: 2, tokens: 300 },
      drainMs: 60_000,
    },
    PLAN,
  );
  process.stdout.write(`${tableOf([report])}\n`);
  expect(failuresOf(report)).toBe('');
  expect(report.figures).toMatchObject(FAULTLESS);
}, 180_000);
