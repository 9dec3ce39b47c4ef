import { Option } from 'commander';
import type { Command } from 'commander';
import type { UsageOptions } from '../usage/usage.ts';
import { defineCommand } from './define.ts';
import { targetOptions } from './target-options.ts';

const command = defineCommand({
  name: 'usage',
  summary: 'show what generations cost',
  description:
    'Prints tokens and GPU time by user and model, of yourself; with scope `usage`, of the whole org.',
  options: [
    ...targetOptions(),
    new Option('--from <day>', 'first day in UTC, such as 2026-11-01 (default: 30 days up to the last)'),
    new Option('--to <day>', 'last day (default: today)'),
    new Option('--by <list>', 'of user, model and day').default('user,model'),
    new Option('--format <kind>', 'how to print it').choices(['table', 'csv', 'json']).default('table'),
  ],
  examples: [
    'sluice usage',
    'sluice usage --from 2026-11-01 --to 2026-11-30 --by user --format csv > november.csv',
  ],
});

export const usageCommand = (): Command =>
  command.action(async (options: UsageOptions) => (await import('../usage/usage.ts')).usage(options));
