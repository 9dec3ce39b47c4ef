import { parseArgs } from 'node:util';
import { FULL_SIZE, SMOKE_SIZE } from './bench.ts';
import { runQuick, TARGET_IDS } from './quick.ts';
import type { QuickReport } from './quick.ts';
import { describeMachine } from './report/machine.ts';
import { tableOf } from './report/table.ts';

const USAGE = `Usage: loadgen quick [target ...] [options]

Measures what is promised in docs/BENCHMARKS.md on this machine.

  target          one or more of ${TARGET_IDS.join(', ')}; default all
  --check         exit with 1 if a target is missed
  --json          print the report as JSON
  --smoke         a run of seconds whose figures mean nothing
  --profile DIR   write V8 CPU profiles of edges and worker to DIR
`;

const options = {
  check: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  smoke: { type: 'boolean', default: false },
  profile: { type: 'string' },
  help: { type: 'boolean', default: false },
} as const;

const print = (report: QuickReport): void => {
  const { machine, seconds, rows, verified } = report;
  console.log(`${describeMachine(machine)}, ${seconds} s\n`);
  console.log(tableOf(rows));
  console.log(`\n${verified.transcripts} transcripts verified, ${verified.faultCount} faults`);
  for (const fault of verified.faults) console.log(`  ${fault}`);
};

const main = async (): Promise<number> => {
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const [command, ...ids] = positionals;
  const unknown = ids.filter((id) => !TARGET_IDS.includes(id));
  if (values.help || command !== 'quick' || unknown.length > 0) {
    console.error(USAGE);
    return values.help ? 0 : 2;
  }
  const report = await runQuick({
    size: values.smoke ? SMOKE_SIZE : FULL_SIZE,
    say: (text) => console.error(text),
    ...(ids.length === 0 ? {} : { ids }),
    ...(values.profile === undefined ? {} : { profileDir: values.profile }),
  });
  if (values.json) console.log(JSON.stringify(report, undefined, 2));
  else print(report);
  // A wrong text is no matter of targets: whatever was measured, it was not this system at work.
  if (report.verified.faultCount > 0) return 1;
  return values.check && report.rows.some(({ ok }) => !ok) ? 1 : 0;
};

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error);
  process.exitCode = 2;
}
