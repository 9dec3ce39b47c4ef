import { expect, test } from '@jest/globals';
import { fileURLToPath } from 'node:url';
import { spawnNode } from '@sluice/testkit';

type Report = { readonly rows: readonly { readonly id: string; readonly figures: Record<string, number> }[] };

test('the benchmark of placement finds more of the prompts cached with it than without', async () => {
  const main = fileURLToPath(new URL('../services/loadgen/src/main.ts', import.meta.url));
  const bench = await spawnNode(main, ['placement', '--smoke', '--json']);
  expect(await bench.exited).toEqual({ code: 0, signal: null });
  const { rows } = JSON.parse(bench.stdout.drain().join('\n')) as Report;
  expect(rows.map(({ id }) => id)).toEqual(['K1', 'K2', 'K3']);
  const { on = 0, off = 1 } = rows[0]?.figures ?? {};
  // Three turns: the first is cold, and of the others a half and two thirds were there before.
  expect(on).toBeGreaterThan(0.45);
  expect(on).toBeGreaterThan(off);
}, 120_000);
