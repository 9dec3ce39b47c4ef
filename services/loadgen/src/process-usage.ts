import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

/** What a process has used so far, all of its threads together. */
export type ProcessUsage = { readonly cpuMs: number; readonly rssBytes: number };

/** Linux counts in 1/100 s for user programs, whatever the kernel's own tick is. */
const MS_PER_TICK = 10;
const KIB = 1024;

/** CPU time from the text of `/proc/<pid>/stat`. */
export const parseProcStat = (stat: string): number => {
  // The second field is the command's name, which may hold blanks and brackets.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK;
};

/** Resident bytes from the text of `/proc/<pid>/status`. */
export const parseProcStatus = (status: string): number =>
  Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * KIB;

/** Both from `ps -o time=,rss=`: `[[dd-]hh:]mm:ss.cc` and KiB. */
export const parsePs = (line: string): ProcessUsage => {
  const [time = '', rss = ''] = line.trim().split(/\s+/);
  const [clock = '', days = '0'] = time.split('-').toReversed();
  const seconds = clock.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
  return { cpuMs: (Number(days) * 86_400 + seconds) * 1000, rssBytes: Number(rss) * KIB };
};

/** @throws Error when there is no such process */
export const readUsage = async (pid: number): Promise<ProcessUsage> => {
  if (process.platform === 'linux') {
    const [stat, status] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'latin1'),
      readFile(`/proc/${pid}/status`, 'latin1'),
    ]);
    return { cpuMs: parseProcStat(stat), rssBytes: parseProcStatus(status) };
  }
  const { stdout } = await promisify(execFile)('ps', ['-o', 'time=,rss=', '-p', String(pid)]);
  return parsePs(stdout);
};

export type Spent<Result> = { readonly cpuMs: readonly number[]; readonly result: Result };

/** CPU time that each of these processes uses while `work` runs, and what `work` returned. */
export const cpuDuring = async <Result>(
  pids: readonly number[],
  work: () => Promise<Result>,
): Promise<Spent<Result>> => {
  const before = await Promise.all(pids.map(readUsage));
  const result = await work();
  const after = await Promise.all(pids.map(readUsage));
  return { cpuMs: after.map(({ cpuMs }, index) => cpuMs - (before[index]?.cpuMs ?? 0)), result };
};
