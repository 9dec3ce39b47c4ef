import { parseArgs } from 'node:util';
import { FULL_SIZE, QUICK_SIZE, SMOKE_SIZE } from './bench.ts';
import { PLACEMENT_SIZE, PLACEMENT_SMOKE_SIZE, runPlacement } from './placement/placement.ts';
import { runBench, TARGET_IDS } from './run-bench.ts';
import type { BenchReport } from './run-bench.ts';
import { describeMachine } from './report/machine.ts';
import { exitCodeOf } from './report/exit-code.ts';
import { keepRows } from './report/kept-rows.ts';
import { tableOf } from './report/table.ts';
import { writeResults } from './report/results-page.ts';

const USAGE = `Usage: loadgen bench [target ...] [options]
       loadgen quick [target ...] [options]
       loadgen placement [options]
       loadgen docs RESULTS PAGE

bench measures what is promised in docs/BENCHMARKS.md on this machine, quick the same with fewer repetitions;
placement what it gains to send a session to the worker that holds its KV cache, with that cache simulated;
docs writes the rows kept in RESULTS into PAGE.

  target          one or more of ${TARGET_IDS.join(', ')}; default all
  --only TARGET   the same, may be repeated
  --check         exit with 1 if a target is missed
  --json          print the report as JSON
  --save RESULTS  keep the rows in this file, in place of those with the same ids
  --smoke         a run of seconds whose figures mean nothing
  --profile DIR   write V8 CPU profiles of edges and worker to DIR
`;

const options = {
  only: { type: 'string', multiple: true, default: [] as string[] },
  check: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  save: { type: 'string' },
  smoke: { type: 'boolean', default: false },
  profile: { type: 'string' },
  help: { type: 'boolean', default: false },
} as const;

/** Without texts that were compared with what is stored, and without peers, for placement. */
type Report = Pick<BenchReport, 'machine' | 'seconds' | 'rows'> & Partial<BenchReport>;

const print = ({ machine, seconds, rows, verified, peers = [], absent = [] }: Report): void => {
  console.log(`${describeMachine(machine)}, ${seconds} s\n`);
  console.log(tableOf(rows));
  if (verified === undefined) return;
  console.log('');
  for (const { name, version, settings } of peers) console.log(`peer ${name} ${version}: ${settings}`);
  for (const { peer, reason } of absent) console.log(`peer ${peer}: absent, ${reason}`);
  console.log(`\n${verified.transcripts} transcripts verified, ${verified.faultCount} faults`);
  for (const fault of verified.faults) console.log(`  ${fault}`);
};

const say = (text: string): void => console.error(text);

type Flags = { readonly smoke: boolean; readonly profile?: string | undefined };
type Command = {
  readonly ids: readonly string[];
  run(flags: Flags, ids: readonly string[]): Promise<Report>;
};

const benchOf = (full: typeof FULL_SIZE): Command => ({
  ids: TARGET_IDS,
  run: ({ smoke, profile }, ids) =>
    runBench({
      size: smoke ? SMOKE_SIZE : full,
      say,
      ...(ids.length === 0 ? {} : { ids }),
      ...(profile === undefined ? {} : { profileDir: profile }),
    }),
});

const COMMANDS: Readonly<Record<string, Command>> = {
  bench: benchOf(FULL_SIZE),
  quick: benchOf(QUICK_SIZE),
  placement: {
    ids: [],
    run: ({ smoke }) => runPlacement(smoke ? PLACEMENT_SMOKE_SIZE : PLACEMENT_SIZE, say),
  },
};

const main = async (): Promise<number> => {
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const [name = '', ...rest] = positionals;
  if (name === 'docs' && rest.length === 2) {
    const [results = '', page = ''] = rest;
    await writeResults(results, page);
    return 0;
  }
  const ids = [...rest, ...values.only];
  const command = COMMANDS[name];
  if (values.help || command === undefined || ids.some((id) => !command.ids.includes(id))) {
    console.error(USAGE);
    return values.help ? 0 : 2;
  }
  const report = await command.run(values, ids);
  if (values.save !== undefined) await keepRows(values.save, report);
  if (values.json) console.log(JSON.stringify(report, undefined, 2));
  else print(report);
  return exitCodeOf(report, values);
};

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error);
  process.exitCode = 2;
}
