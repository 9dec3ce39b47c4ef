import { Option } from 'commander';
import { natsUrl, oneOrThree } from './option-values.ts';

/** Which NATS; the rest of what decides it is in nats-target.ts. */
export const natsOptions = (): readonly Option[] => [
  new Option('--nats-url <url>', 'NATS servers (default: that of the local `sluice up`)')
    .env('SLUICE_NATS_URL')
    .argParser(natsUrl),
  new Option(
    '--replicas <n>',
    'copies of every stream that the services ask for, 1 or 3 (default: those of the local `sluice up`)',
  )
    .env('SLUICE_NATS_REPLICAS')
    .argParser(oneOrThree),
];

export const NATS_NOTES = `Who to be in NATS, its certificates, and the sizes, ages and partitions of streams are read from the
environment variables that edges and workers read: SLUICE_NATS_USER, SLUICE_NATS_PASSWORD_FILE, SLUICE_NATS_CA_FILE, …`;
