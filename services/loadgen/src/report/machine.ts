import { availableParallelism, cpus, loadavg } from 'node:os';

/** Where a run was made, and whether it had the machine to itself. */
export type Machine = {
  readonly cpu: string;
  readonly cores: number;
  readonly node: string;
  readonly platform: string;
  /** of the minute before the run: above 0.2 per core the figures are noisy */
  readonly loadBefore: number;
};

export const readMachine = (): Machine => ({
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: availableParallelism(),
  node: process.version,
  platform: `${process.platform} ${process.arch}`,
  loadBefore: loadavg()[0] ?? 0,
});

const MAX_LOAD_PER_CORE = 0.2;

export const describeMachine = ({ cpu, cores, node, platform, loadBefore }: Machine): string => {
  const busy = loadBefore > MAX_LOAD_PER_CORE * cores;
  const note = busy ? ' (busy: ratios hold roughly, times and latencies do not)' : '';
  return `${cores} x ${cpu}, ${platform}, Node ${node}, load before ${loadBefore.toFixed(2)}${note}`;
};
