import { readFile } from 'node:fs/promises';

/** Of `getconf CLK_TCK`, 100 on every Linux that matters. */
const TICKS_PER_SECOND = 100;

/** What processes have used of a core since they started, s; 0 where there is no /proc. */
export const cpuSecondsOf = async (pids: readonly number[]): Promise<number> => {
  const used = await Promise.all(
    pids.map(async (pid) => {
      const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
      // After the name, which is in brackets and may hold anything: state is the first, utime the 12th, stime the 13th.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / TICKS_PER_SECOND;
    }),
  );
  return used.reduce((sum, each) => sum + each, 0);
};
