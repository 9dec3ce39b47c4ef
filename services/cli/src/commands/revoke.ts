import { Option } from 'commander';
import type { Command } from 'commander';
import type { RevokeFlags } from '../revoke/revoke.ts';
import { defineCommand } from './define.ts';
import { NATS_NOTES, natsOptions } from './nats-options.ts';
import { date, id, seconds } from './option-values.ts';

const what = [
  new Option('--org <id>', 'the customer').argParser(id),
  new Option('--user <name>', 'all tokens of this user (claim `sub`)'),
  new Option('--token-id <jti>', 'the one token with this claim `jti`'),
  new Option('--session <id>', 'no older token reaches this session any more').argParser(id),
  new Option('--everybody', 'all tokens of the org'),
];

const command = defineCommand({
  name: 'revoke',
  summary: 'throw somebody out',
  description:
    'Makes tokens count no more that were issued until now, on all edges within a second, and ends what they hold open. Newer tokens get in.',
  options: [
    ...what,
    new Option('--before <time>', 'issued until then, in ISO 8601 (default: now)').argParser(date),
    new Option('--for <time>', 'how long it counts, at least as long as tokens live')
      .argParser(seconds)
      .default(30 * 86_400, '30d'),
    new Option('--lift', 'take it back'),
    new Option('--list', 'show what is revoked; nothing else is needed'),
    ...natsOptions(),
  ],
  notes: `Whoever this is in NATS must be one that may, such as admin.
${NATS_NOTES}`,
  examples: [
    'sluice revoke --org acme --user ann',
    'sluice revoke --org acme --session s-1 --for 90d',
    'sluice revoke --org acme --user ann --lift',
    'sluice revoke --list',
  ],
});

export const revokeCommand = (): Command =>
  command.action(async (flags: RevokeFlags) => (await import('../revoke/revoke.ts')).revoke(flags));
