import { FULL_SIZE } from './bench.ts';
import type { BenchSize, Measure, Row } from './bench.ts';
import type { Verification } from './clients/crowd.ts';
import { cancelStorm } from './measures/cancel-storm.ts';
import { fanOut, largeFanOut } from './measures/fan-out.ts';
import { knee } from './measures/knee.ts';
import { idle } from './measures/idle.ts';
import { lateJoin } from './measures/late-join.ts';
import { sessions } from './measures/sessions.ts';
import { stored } from './measures/stored.ts';
import { PEERS } from './peers/fan-out/peers.ts';
import type { Absence, Peer } from './peers/fan-out/peers.ts';
import { readMachine } from './report/machine.ts';
import type { Machine } from './report/machine.ts';
import { startSystem } from './system.ts';

const MEASURES: readonly Measure[] = [
  fanOut,
  largeFanOut,
  sessions,
  knee,
  cancelStorm,
  idle,
  lateJoin,
  stored,
];
/** Every target that this benchmark can judge. */
export const TARGET_IDS: readonly string[] = MEASURES.flatMap(({ ids }) => ids);

export type BenchOptions = {
  /** which targets; those measured together with them come along. Default all */
  readonly ids?: readonly string[];
  readonly size?: BenchSize;
  /** folder for CPU profiles of edges and worker */
  readonly profileDir?: string;
  readonly say?: (text: string) => void;
};

export type BenchReport = {
  readonly machine: Machine;
  readonly seconds: number;
  readonly rows: readonly Row[];
  /** what it was compared with, and what not */
  readonly peers: readonly Pick<Peer, 'name' | 'version' | 'settings'>[];
  readonly absent: readonly Absence[];
  /** all transcripts of all viewers; a single fault makes the figures worthless */
  readonly verified: Verification;
};

/** Measures on a system that it starts for the purpose and ends afterwards. */
export const runBench = async (options: BenchOptions = {}): Promise<BenchReport> => {
  const { ids = TARGET_IDS, size = FULL_SIZE, profileDir, say = () => {} } = options;
  const machine = readMachine();
  const startedAt = performance.now();
  const system = await startSystem(profileDir === undefined ? {} : { profileDir });
  const rows: Row[] = [];
  const verifications: Verification[] = [];
  const absent = new Map<string, Absence>();
  try {
    for (const measure of MEASURES) {
      if (!measure.ids.some((id) => ids.includes(id))) continue;
      const outcome = await measure.run({ system, size, say });
      rows.push(...outcome.rows);
      verifications.push(...outcome.verifications);
      for (const absence of outcome.absent ?? []) absent.set(absence.peer, absence);
    }
  } finally {
    await system.close();
  }
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  return {
    machine,
    seconds,
    rows,
    peers: PEERS.map(({ name, version, settings }) => ({ name, version, settings })),
    absent: [...absent.values()],
    verified: sumOf(verifications),
  };
};

const sumOf = (verifications: readonly Verification[]): Verification => ({
  transcripts: verifications.reduce((sum, { transcripts }) => sum + transcripts, 0),
  faultCount: verifications.reduce((sum, { faultCount }) => sum + faultCount, 0),
  faults: verifications.flatMap(({ faults }) => faults),
});
