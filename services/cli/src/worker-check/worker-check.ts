import { CliError } from '../cli-error.ts';
import { readDemo } from '../demo-file.ts';
import { stdoutColours as pc } from '../terminal/colours.ts';
import { checkWorker } from './check-worker.ts';
import type { CheckOptions } from './check-worker.ts';
import { CLAUSES } from './clauses/index.ts';
import { linesOf, summaryOf } from './report.ts';

export type WorkerCheckFlags = Omit<CheckOptions, 'natsUrl'> & {
  readonly natsUrl?: string;
  readonly json?: true;
};

/** Reports which clauses of docs/WORKERS.md the workers of a model keep. Exit code 1 if one is broken. */
export const workerCheck = async ({ json, natsUrl, ...flags }: WorkerCheckFlags): Promise<void> => {
  const unknown = flags.only?.find((id) => !CLAUSES.some((clause) => clause.id === id));
  if (unknown !== undefined)
    throw new CliError(`--only: expected W1 to W${CLAUSES.length}, got ${JSON.stringify(unknown)}`);
  const options = { ...flags, natsUrl: natsUrl ?? readDemo()?.nats ?? 'nats://127.0.0.1:4222' };
  const verdicts = await checkWorker(options, (verdict) => {
    if (json === undefined) process.stdout.write(linesOf(verdict, CLAUSES, pc));
  });
  const isBroken = verdicts.some(({ result }) => result === 'fail');
  if (json === true)
    process.stdout.write(`${JSON.stringify({ model: flags.model, ok: !isBroken, clauses: verdicts })}\n`);
  else process.stdout.write(`\n${summaryOf(verdicts)}\n`);
  if (isBroken) process.exitCode = 1;
};
