import { readFile } from 'node:fs/promises';

const SAMPLE_MS = 100;
const MIB = 1024 * 1024;

/** Resident memory of a process, MiB; 0 where there is no /proc. */
export const residentMib = async (pid: number): Promise<number> => {
  const status = await readFile(`/proc/${pid}/status`, 'latin1').catch(() => '');
  return (Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024) / MIB;
};

export type MemoryWatch = {
  /** how far memory rose above where the watch began, MiB */
  readonly growth: () => number;
  readonly close: () => void;
};

/** Samples a process's memory until it is closed. */
export const watchMemory = async (pid: number): Promise<MemoryWatch> => {
  const before = await residentMib(pid);
  let peak = before;
  const sample = async (): Promise<void> => {
    peak = Math.max(peak, await residentMib(pid));
  };
  const timer = setInterval(() => void sample(), SAMPLE_MS);
  return { growth: () => peak - before, close: () => clearInterval(timer) };
};
