import { expect, test } from '@jest/globals';
import { fileURLToPath } from 'node:url';
import { spawnNode } from '@sluice/testkit';

type Report = {
  readonly rows: readonly {
    readonly id: string;
    readonly ok: boolean;
    readonly ratios?: Readonly<Record<string, number>>;
  }[];
  readonly verified: { readonly transcripts: number; readonly faultCount: number };
};

test('the benchmark runs every scenario, verifies all texts and fails its check on a miss', async () => {
  const main = fileURLToPath(new URL('../services/loadgen/src/main.ts', import.meta.url));
  const bench = await spawnNode(main, ['quick', ...IDS, '--smoke', '--json', '--check']);
  const { code } = await bench.exited;
  const { rows, verified } = JSON.parse(bench.stdout.drain().join('\n')) as Report;
  expect([...new Set(rows.map(({ id }) => id))]).toEqual(IDS);
  expect(verified.transcripts).toBeGreaterThan(500);
  expect(verified.faultCount).toBe(0);
  // Which targets such a short run meets is chance; that the exit code tells of them is not.
  expect(code).toBe(rows.every(({ ok }) => ok) ? 0 : 1);
  for (const { ratios } of rows.filter(({ id }) => FAN_OUT.includes(id)))
    expect(Object.keys(ratios ?? {})).toEqual(PEERS);
}, 300_000);

// Not P1c and P1d, which are P1a and P1b with another number of viewers.
const IDS = ['P1a', 'P1b', 'P2', 'P3', 'P4', 'P6', 'P5', 'P12', 'P7', 'P13'];
const FAN_OUT = ['P1a', 'P1b'];
const PEERS = ['raw TCP', 'ws.send', 'SSE', 'socket.io', 'socket.io with recovery'];
