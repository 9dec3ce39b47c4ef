import { CliError } from '../cli-error.ts';
import { findNats } from '../nats-target.ts';
import type { NatsFlags } from '../nats-target.ts';
import { stdoutColours as pc } from '../terminal/colours.ts';
import { jsonLine } from '../terminal/plain.ts';
import { checkWorker } from './check-worker.ts';
import type { CheckOptions } from './check-worker.ts';
import { CLAUSES } from './clauses/index.ts';
import { linesOf, summaryOf } from './report.ts';

export type WorkerCheckFlags = Omit<CheckOptions, 'nats'> & NatsFlags & { readonly json?: true };

/** Reports which clauses of docs/WORKERS.md the workers of a model keep. Exit code 1 if one is broken. */
export const workerCheck = async ({ json, ...flags }: WorkerCheckFlags): Promise<void> => {
  const unknown = flags.only?.find((id) => !CLAUSES.some((clause) => clause.id === id));
  if (unknown !== undefined)
    throw new CliError(`--only: expected W1 to W${CLAUSES.length}, got ${JSON.stringify(unknown)}`);
  const options = { ...flags, nats: findNats(flags, 'sluice-worker-check') };
  const verdicts = await checkWorker(options, (verdict) => {
    if (json === undefined) process.stdout.write(linesOf(verdict, CLAUSES, pc));
  });
  const isBroken = verdicts.some(({ result }) => result === 'fail');
  if (json === true) process.stdout.write(jsonLine({ model: flags.model, ok: !isBroken, clauses: verdicts }));
  else process.stdout.write(`\n${summaryOf(verdicts)}\n`);
  if (isBroken) process.exitCode = 1;
};
