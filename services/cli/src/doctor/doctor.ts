import Table from 'cli-table3';
import { stdoutColours as pc } from '../terminal/colours.ts';
import { painted } from '../terminal/painted.ts';
import { readDemo } from '../demo-file.ts';
import { findTarget } from '../edge/target.ts';
import type { TargetOptions } from '../edge/target.ts';
import { findNats } from '../nats-target.ts';
import type { NatsFlags } from '../nats-target.ts';
import { jwtSecretOf } from '../secrets.ts';
import { checkEdge, checkToken } from './edge-checks.ts';
import type { Finding } from './finding.ts';
import { checkNatsBinary, checkNode } from './machine-checks.ts';
import { checkNats } from './nats-checks.ts';
import { checkUpstream } from './upstream-check.ts';

export type DoctorOptions = TargetOptions &
  NatsFlags & {
    readonly upstream?: string;
    /** a file with the secret of HS256 tokens, to check the signature as well */
    readonly secretFile?: string;
  };

const BARE = {
  chars: {
    ...{ top: '', 'top-mid': '', 'top-left': '', 'top-right': '' },
    ...{ bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '' },
    ...{ left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '', middle: '  ' },
  },
  style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
};

const MARKS = { ok: pc.green('ok'), fail: pc.red('fail'), skipped: pc.dim('skip') } as const;

const tableOf = (findings: readonly Finding[]): string => {
  const table = new Table(BARE);
  for (const { check, result, found, advice } of findings) {
    const cell = painted(result === 'skipped' ? { text: found, paint: pc.dim } : found);
    table.push([MARKS[result], check, cell]);
    if (advice !== undefined) table.push(['', '', painted({ text: `→ ${advice}`, paint: pc.yellow })]);
  }
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
};

/** Looks at everything that has to work, and says what to do about what does not. Exit code 1 if anything failed. */
export const doctor = async (options: DoctorOptions): Promise<void> => {
  const demo = readDemo();
  const { url, token } = findTarget(options);
  const nats = findNats(options, 'sluice-doctor');
  const checks = [
    Promise.resolve(checkNode()),
    checkNatsBinary(),
    checkNats(nats),
    ...(options.upstream === undefined ? [] : [checkUpstream(options.upstream)]),
    checkToken(token, jwtSecretOf(options.secretFile)),
    checkEdge(url, token),
  ];
  const all = (await Promise.all(checks)).flat();
  process.stdout.write(`${tableOf(all)}\n`);
  const failed = all.filter(({ result }) => result === 'fail').length;
  if (failed === 0) return;
  process.stdout.write(`\n${pc.red(`${failed} of ${all.length} checks failed`)}\n`);
  if (demo === undefined && options.url === undefined)
    process.stdout.write('No `sluice up` runs here, so the usual addresses were looked at.\n');
  process.exitCode = 1;
};
