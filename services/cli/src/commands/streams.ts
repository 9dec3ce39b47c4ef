import { Command, Option } from 'commander';
import type { ApplyFlags } from '../streams/apply-streams.ts';
import { defineCommand } from './define.ts';
import { NATS_NOTES, natsOptions } from './nats-options.ts';

const apply = defineCommand({
  name: 'apply',
  summary: 'make the streams, or change them to the settings in force',
  description:
    'Makes the streams in NATS that are missing and changes those whose settings differ, as far as the server can. Run it ' +
    'before the first start and after an upgrade, as a user who may change streams. It may run again at any time. Exit code ' +
    '1 if a stream is not as it should be in the end.',
  options: [
    ...natsOptions(),
    new Option('--check', 'change nothing; exit code 1 if anything differs'),
    new Option('--dry-run', 'change nothing; exit code 1 if something could not be changed').conflicts(
      'check',
    ),
  ],
  notes: NATS_NOTES,
  examples: [
    'sluice streams apply --dry-run',
    'SLUICE_NATS_USER=admin SLUICE_NATS_PASSWORD_FILE=/run/secrets/admin sluice streams apply --nats-url tls://nats:4222',
    'sluice streams apply --check --nats-url nats://nats-1:4222,nats://nats-2:4222 --replicas 3',
  ],
});

export const streamsCommand = (): Command =>
  new Command('streams')
    .summary('look after the streams in NATS')
    .description('Looks after the streams in NATS.')
    .addCommand(
      apply.action(async (flags: ApplyFlags) =>
        (await import('../streams/apply-streams.ts')).applyStreams(flags),
      ),
    );
