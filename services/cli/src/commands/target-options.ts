import { Option } from 'commander';
import { oneOrThree, secret, webUrl } from './option-values.ts';

/** Which edge and who; the rest of what decides it is in edge/target.ts. */
export const targetOptions = (): readonly Option[] => [
  new Option('--url <url>', 'address of the edge (default: that of the local `sluice up`)')
    .env('SLUICE_URL')
    .argParser(webUrl),
  new Option('--token <jwt>', 'who you are (default: that of the local `sluice up`)').env('SLUICE_TOKEN'),
];

export const secretOption = (name: string, about: string): Option =>
  new Option(`${name} <text>`, about).env('SLUICE_JWT_SECRET').argParser(secret);

export const replicasOption = (): Option =>
  new Option(
    '--replicas <n>',
    'copies of every stream that the services ask for, 1 or 3 (default: those of the local `sluice up`)',
  )
    .env('SLUICE_NATS_REPLICAS')
    .argParser(oneOrThree);
