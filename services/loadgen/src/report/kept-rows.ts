import { readFile, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import type { Row } from '../bench.ts';
import type { Absence, Peer } from '../peers/fan-out/peers.ts';
import type { Machine } from './machine.ts';

const rowSchema = z.object({
  id: z.string(),
  what: z.string(),
  target: z.string(),
  value: z.string(),
  ok: z.boolean(),
  // JSON has no NaN: what could not be measured is null.
  ratios: z.record(z.string(), z.number().nullable()).optional(),
  figures: z.record(z.string(), z.number().nullable()),
  machine: z.object({
    cpu: z.string(),
    cores: z.number(),
    node: z.string(),
    platform: z.string(),
    loadBefore: z.number(),
  }),
});

const keptSchema = z.object({
  rows: z.array(rowSchema),
  peers: z.array(z.object({ name: z.string(), version: z.string(), settings: z.string() })),
  absent: z.array(z.object({ peer: z.string(), reason: z.string() })),
});

/** Rows of several runs, each with the machine it was measured on: a long benchmark may be run in parts. */
export type KeptRows = z.infer<typeof keptSchema>;

type Run = {
  readonly machine: Machine;
  readonly rows: readonly Row[];
  readonly peers?: readonly Pick<Peer, 'name' | 'version' | 'settings'>[];
  readonly absent?: readonly Absence[];
};

const NOTHING: KeptRows = { rows: [], peers: [], absent: [] };

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT';

/** What is in the file, which this program wrote. @throws Error when it is there and has another shape */
export const readKept = async (path: string): Promise<KeptRows> => {
  try {
    return keptSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    if (isMissing(error)) return NOTHING;
    throw error;
  }
};

/** `kept` with this run's rows in place of all that have the same ids. */
export const withRun = (kept: KeptRows, { machine, rows, peers, absent }: Run): KeptRows => {
  const ids = new Set(rows.map(({ id }) => id));
  const others = kept.rows.filter(({ id }) => !ids.has(id));
  const all = [...others, ...rows.map((row) => rowSchema.parse({ ...row, machine }))];
  return {
    rows: all.toSorted((a, b) => a.id.localeCompare(b.id, 'en', { numeric: true })),
    peers: peers === undefined ? kept.peers : [...peers],
    absent: absent === undefined || absent.length === 0 ? kept.absent : [...absent],
  };
};

export const keepRows = async (path: string, run: Run): Promise<void> => {
  const kept = withRun(await readKept(path), run);
  await writeFile(path, `${JSON.stringify(kept, undefined, 2)}\n`);
};
