import { parseArgs } from 'node:util';
import { FULL_SIZE, SMOKE_SIZE } from './bench.ts';
import { PLACEMENT_SIZE, PLACEMENT_SMOKE_SIZE, runPlacement } from './placement/placement.ts';
import { runQuick, TARGET_IDS } from './quick.ts';
import type { QuickReport } from './quick.ts';
import { describeMachine } from './report/machine.ts';
import { tableOf } from './report/table.ts';

const USAGE = `Usage: loadgen quick [target ...] [options]
       loadgen placement [options]

quick measures what is promised in docs/BENCHMARKS.md on this machine; placement what it gains to send a session
to the worker that holds its KV cache, with that cache simulated.

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

/** `verified` where texts were compared with what is stored. */
type Report = Omit<QuickReport, 'verified'> & Partial<Pick<QuickReport, 'verified'>>;

const print = ({ machine, seconds, rows, verified }: Report): void => {
  console.log(`${describeMachine(machine)}, ${seconds} s\n`);
  console.log(tableOf(rows));
  if (verified === undefined) return;
  console.log(`\n${verified.transcripts} transcripts verified, ${verified.faultCount} faults`);
  for (const fault of verified.faults) console.log(`  ${fault}`);
};

const say = (text: string): void => console.error(text);

type Flags = { readonly smoke: boolean; readonly profile?: string | undefined };

const COMMANDS: Readonly<
  Record<
    string,
    { readonly ids: readonly string[]; run(flags: Flags, ids: readonly string[]): Promise<Report> }
  >
> = {
  quick: {
    ids: TARGET_IDS,
    run: ({ smoke, profile }, ids) =>
      runQuick({
        size: smoke ? SMOKE_SIZE : FULL_SIZE,
        say,
        ...(ids.length === 0 ? {} : { ids }),
        ...(profile === undefined ? {} : { profileDir: profile }),
      }),
  },
  placement: {
    ids: [],
    run: ({ smoke }) => runPlacement(smoke ? PLACEMENT_SMOKE_SIZE : PLACEMENT_SIZE, say),
  },
};

const main = async (): Promise<number> => {
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const [name = '', ...ids] = positionals;
  const command = COMMANDS[name];
  if (values.help || command === undefined || ids.some((id) => !command.ids.includes(id))) {
    console.error(USAGE);
    return values.help ? 0 : 2;
  }
  const report = await command.run(values, ids);
  if (values.json) console.log(JSON.stringify(report, undefined, 2));
  else print(report);
  // A wrong text is no matter of targets: whatever was measured, it was not this system at work.
  if ((report.verified?.faultCount ?? 0) > 0) return 1;
  return values.check && report.rows.some(({ ok }) => !ok) ? 1 : 0;
};

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error);
  process.exitCode = 2;
}
