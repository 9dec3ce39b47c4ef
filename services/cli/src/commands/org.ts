import type { Command } from 'commander';
import type { NatsFlags } from '../nats-target.ts';
import { defineCommand } from './define.ts';
import { NATS_NOTES, natsOptions } from './nats-options.ts';
import { id } from './option-values.ts';

const FIELDS = `Fields:
  quota.user.<limit>, quota.org.<limit>   of one user, and of the org as a whole, over all edges
    limits: bytesPerMinute, promptsPerMinute, messagesPerMinute, bytesStored, generations, connections
  retention.sessionsMs                    how long a session is kept after its last change
  models                                  names separated by commas; the others are refused
  price.input, price.cached, price.output dollars per 1,000,000 tokens
A field without a value (\`models=\`) is as the settings of the services say again.`;

const show = defineCommand({
  name: 'show',
  summary: 'print what is set for an org',
  description: 'Prints the settings of an org as JSON: only what differs from the settings of the services.',
  options: natsOptions(),
  notes: NATS_NOTES,
  examples: ['sluice org show acme'],
});

const set = defineCommand({
  name: 'set',
  summary: 'change what is set for an org',
  description:
    'Changes settings of an org, and prints all of them. Running edges and workers follow at once.',
  options: natsOptions(),
  notes: `${FIELDS}\n\n${NATS_NOTES}`,
  examples: [
    'sluice org set acme quota.org.bytesStored=500000000 quota.user.promptsPerMinute=30',
    'sluice org set acme models=llama-70b,llama-8b price.output=0.6',
    'sluice org set acme models=',
  ],
});

export const orgCommand = (): Command =>
  defineCommand({
    name: 'org',
    summary: 'limits, models and prices of one customer',
    description: 'Shows and changes what is set for one org. It talks to NATS, as an operator.',
    options: [],
    examples: ['sluice org show acme', 'sluice org set acme quota.org.generations=200'],
  })
    .addCommand(
      show
        .argument('<org>', 'the customer', id)
        .action(async (org: string, flags: NatsFlags) => (await import('../org/org.ts')).show(org, flags)),
    )
    .addCommand(
      set
        .argument('<org>', 'the customer', id)
        .argument('<field=value...>', 'what to change')
        .action(async (org: string, fields: string[], flags: NatsFlags) =>
          (await import('../org/org.ts')).set(org, fields, flags),
        ),
    );
