import { Option } from 'commander';
import type { Command } from 'commander';
import type { TokenOptions } from '../token/token.ts';
import { defineCommand } from './define.ts';
import { id, seconds } from './option-values.ts';
import { secretOption } from './target-options.ts';

const command = defineCommand({
  name: 'token',
  summary: 'make a token for a user',
  description: 'Prints a signed HS256 token (JWT) on stdout, and nothing else.',
  options: [
    new Option('--org <id>', 'the customer').argParser(id).makeOptionMandatory(),
    new Option('--user <name>', 'the person (claim `sub`)').makeOptionMandatory(),
    new Option(
      '--scope <list>',
      'of read, prompt, cancel, signal, delete, usage, admin (default: the first four)',
    ),
    new Option('--sessions <list>', 'ids, or prefix*, separated by commas (default: all of the org)'),
    new Option('--ttl <time>', 'how long it is valid: 90s, 15m, 12h, 7d')
      .argParser(seconds)
      .default(3_600, '1h'),
    secretOption(
      '--secret-file',
      'what edges check tokens with (default: $SLUICE_JWT_SECRET, else that of the local `sluice up`)',
    ),
  ],
  examples: [
    'sluice token --org demo --user ann',
    "sluice token --org acme --user bob --ttl 7d --scope read --sessions 'support-*'",
    'SLUICE_TOKEN=$(sluice token --org demo --user ann) sluice chat',
  ],
});

export const tokenCommand = (): Command =>
  command.action(async (options: TokenOptions) => (await import('../token/token.ts')).token(options));
