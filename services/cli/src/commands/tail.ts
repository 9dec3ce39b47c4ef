import { Option } from 'commander';
import type { Command } from 'commander';
import type { TailOptions } from '../tail/tail.ts';
import { defineCommand } from './define.ts';
import { id } from './option-values.ts';
import { targetOptions } from './target-options.ts';

const command = defineCommand({
  name: 'tail',
  summary: 'follow a session as it happens',
  description:
    'Follows a session until Ctrl-C: what was said before, then every token as it comes. Slows nobody down.',
  options: [...targetOptions(), new Option('--json', 'events as lines of JSON')],
  examples: ['sluice tail trip-to-rome', `sluice tail trip-to-rome --json | jq 'select(.event == "end")'`],
});

export const tailCommand = (): Command =>
  command
    .argument('<session>', 'id of the session', id)
    .action(async (session: string, options: TailOptions) =>
      (await import('../tail/tail.ts')).tail(session, options),
    );
