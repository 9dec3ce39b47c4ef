import type { BenchReport } from '../run-bench.ts';

type Judged = Pick<BenchReport, 'rows'> & { readonly verified?: Pick<BenchReport['verified'], 'faultCount'> };

/** 1 for a wrong text, and with `check` for a missed target; else 0. */
export const exitCodeOf = ({ rows, verified }: Judged, { check }: { readonly check: boolean }): 0 | 1 => {
  // A wrong text is no matter of targets: whatever was measured, it was not this system at work.
  if ((verified?.faultCount ?? 0) > 0) return 1;
  return check && rows.some(({ ok }) => !ok) ? 1 : 0;
};
