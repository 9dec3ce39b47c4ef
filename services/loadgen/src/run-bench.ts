import { FULL_SIZE } from './bench.ts';
import type { BenchSize, Measure, Row } from './bench.ts';
import type { Verification } from './clients/crowd.ts';
import { fanOut } from './measures/fan-out.ts';
import { idle } from './measures/idle.ts';
import { lateJoin } from './measures/late-join.ts';
import { sessions } from './measures/sessions.ts';
import { stored } from './measures/stored.ts';
import { readMachine } from './report/machine.ts';
import type { Machine } from './report/machine.ts';
import { startSystem } from './system.ts';

const MEASURES: readonly Measure[] = [fanOut, sessions, idle, lateJoin, stored];
/** Every target that this benchmark can judge. */
export const TARGET_IDS: readonly string[] = MEASURES.flatMap(({ ids }) => ids);

export type QuickOptions = {
  /** which targets; those measured together with them come along. Default all */
  readonly ids?: readonly string[];
  readonly size?: BenchSize;
  /** folder for CPU profiles of edges and worker */
  readonly profileDir?: string;
  readonly say?: (text: string) => void;
};

export type QuickReport = {
  readonly machine: Machine;
  readonly seconds: number;
  readonly rows: readonly Row[];
  /** all transcripts of all viewers; a single fault makes the figures worthless */
  readonly verified: Verification;
};

/** Measures on a system that it starts for the purpose and ends afterwards. */
export const runQuick = async (options: QuickOptions = {}): Promise<QuickReport> => {
  const { ids = TARGET_IDS, size = FULL_SIZE, profileDir, say = () => {} } = options;
  const machine = readMachine();
  const startedAt = performance.now();
  const system = await startSystem(profileDir === undefined ? {} : { profileDir });
  const rows: Row[] = [];
  const verifications: Verification[] = [];
  try {
    for (const measure of MEASURES) {
      if (!measure.ids.some((id) => ids.includes(id))) continue;
      const outcome = await measure.run({ system, size, say });
      rows.push(...outcome.rows);
      verifications.push(...outcome.verifications);
    }
  } finally {
    await system.close();
  }
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  return { machine, seconds, rows, verified: sumOf(verifications) };
};

const sumOf = (verifications: readonly Verification[]): Verification => ({
  transcripts: verifications.reduce((sum, { transcripts }) => sum + transcripts, 0),
  faultCount: verifications.reduce((sum, { faultCount }) => sum + faultCount, 0),
  faults: verifications.flatMap(({ faults }) => faults),
});
