import { Option } from 'commander';
import type { Command } from 'commander';
import type { WorkerCheckFlags } from '../worker-check/worker-check.ts';
import { defineCommand } from './define.ts';
import { NATS_NOTES, natsOptions } from './nats-options.ts';
import { clauseIds, id, jsonObject, processId, seconds } from './option-values.ts';

const asked = [
  new Option('--org <id>', 'whose sessions the check makes').argParser(id).default('worker-check'),
  new Option('--prompt <text>', 'what is asked; its answer should be long').default(
    'Write the numbers from 1 to 1000 in words, one per line, and leave none out.',
  ),
  new Option('--params <json>', 'more parameters of each prompt').argParser(jsonObject).default({}, '{}'),
];

const killed = [
  new Option('--pid <n>', 'a worker process on this machine that may be killed with kill -9').argParser(
    processId,
  ),
  new Option('--kill-command <command>', 'a shell command that kills a worker process').conflicts('pid'),
  new Option('--stop-command <command>', 'a shell command that asks another one to stop'),
];

const command = defineCommand({
  name: 'worker-check',
  summary: 'find out whether a worker keeps its contract',
  description:
    'Plays the rest of the system against the running workers of a model and reports every clause of docs/WORKERS.md as passed, failed or not checked. Exit code 1 if one failed.',
  options: [
    new Option('--model <name>', 'the model that the workers offer').makeOptionMandatory(),
    ...natsOptions(),
    ...asked,
    new Option('--only <ids>', 'clauses to play, separated by commas (default: all)').argParser(clauseIds),
    new Option('--timeout <time>', 'how long what must happen may take')
      .argParser(seconds)
      .default(15, '15s'),
    ...killed,
    new Option('--json', 'one object of JSON at the end'),
  ],
  notes: `Use a NATS of its own, or one where nobody else uses the model: the check takes jobs off its queue and
hands them back. It leaves a few dozen finished sessions behind, which expire like all others.

${NATS_NOTES}`,
  examples: [
    'sluice worker-check --model simulated',
    'sluice worker-check --model llama3.2 --nats-url nats://127.0.0.1:4222 --pid "$WORKER_PID"',
    'sluice worker-check --model my-model --only W5,W21 --json',
  ],
});

export const workerCheckCommand = (): Command =>
  command.action(async (flags: WorkerCheckFlags) =>
    (await import('../worker-check/worker-check.ts')).workerCheck(flags),
  );
