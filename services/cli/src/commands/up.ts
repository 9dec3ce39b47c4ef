import { Option } from 'commander';
import type { Command } from 'commander';
import type { UpFlags } from '../up/flags.ts';
import { defineCommand } from './define.ts';
import { count, httpUrl, natsUrl, oneOrThree, port } from './option-values.ts';
import { secretOption } from './target-options.ts';

const ports = [
  new Option('--host <address>', 'address that edges listen on').default('127.0.0.1'),
  new Option('--port <n>', 'port of the first edge, the next ones follow; 0: any')
    .argParser(port)
    .default(8080),
  new Option('--admin-port <n>', 'its metrics and health (default: 9090 if free)').argParser(port),
  new Option(
    '--nats-port <n>',
    'port of the first embedded NATS, likewise (default: 4222 if free)',
  ).argParser(port),
];

const parts = [
  new Option('--edges <n>', 'how many edges').argParser(count).default(1),
  new Option('--workers <n>', 'how many workers').argParser(count).default(1),
  new Option(
    '--nats-nodes <n>',
    'embedded NATS servers: 1, or 3 that form a cluster and survive the loss of one',
  )
    .argParser(oneOrThree)
    .default(1),
  new Option('--nats-url <url>', 'use this NATS in place of an embedded one')
    .argParser(natsUrl)
    .conflicts(['natsPort', 'natsNodes', 'data']),
  new Option('--data <dir>', 'keep the data there (default: a temporary folder, removed at the end)'),
  secretOption(
    '--jwt-secret-file',
    'secret of HS256 tokens (default: $SLUICE_JWT_SECRET, else a random one)',
  ),
  new Option('--no-web', 'do not serve the web pages'),
];

const engine = [
  new Option('--engine <name>', 'what produces tokens (default: simulated, without --upstream)')
    .choices(['simulated', 'openai'])
    .env('SLUICE_ENGINE'),
  new Option('--upstream <url>', 'base URL of an OpenAI-compatible server; its key: $SLUICE_UPSTREAM_KEY')
    .env('SLUICE_UPSTREAM')
    .argParser(httpUrl),
  new Option('--model <name>', 'the one model to offer (default: all the engine has)').env('SLUICE_MODEL'),
];

const output = [
  new Option('--pretty', 'logs and a summary for people (default at a terminal)'),
  new Option('--no-pretty', 'logs in JSON, and one line of it when everything is ready (default elsewhere)'),
];

const command = defineCommand({
  name: 'up',
  summary: 'run everything on this machine',
  description:
    'Runs NATS, edges and workers on this machine until Ctrl-C. A part that crashes is started again.',
  options: [...ports, ...parts, ...engine, ...output],
  notes: `When everything is ready: a summary at a terminal, one line of JSON on stdout otherwise. Logs go to
stderr. Other settings of edges and workers can be given by their environment variables.`,
  examples: [
    'sluice up',
    'sluice up --edges 2 --workers 3',
    'sluice up --nats-nodes 3',
    'sluice up --upstream http://127.0.0.1:11434/v1 --model llama3.2',
    'sluice up --data ./data --jwt-secret-file ./secret',
  ],
});

export const upCommand = (): Command =>
  command.action(async (flags: UpFlags) => (await import('../up/flags.ts')).upWithFlags(flags));
