import { chosenSeed } from '@sluice/testkit';
import { playRows } from './row.ts';
import type { Row } from './row.ts';

const random: Row = {
  id: 'seeded',
  title: 'random faults for a minute',
  target: 'lost, duplicate, phantom, foreign 0',
  options: { workers: 3 },
  play: { durationMs: 60_000, everyMs: [1_000, 4_000] },
  holds: () => undefined,
};

const seed = chosenSeed();
for (const each of [seed, seed + 1, seed + 2]) playRows(`seed ${each}`, [random], each);
