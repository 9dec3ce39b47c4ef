import { Option } from 'commander';
import { webUrl } from './option-values.ts';

/** Which edge and who; the rest of what decides it is in edge/target.ts. */
export const targetOptions = (): readonly Option[] => [
  new Option('--url <url>', 'address of the edge (default: that of the local `sluice up`)')
    .env('SLUICE_URL')
    .argParser(webUrl),
  new Option('--token <jwt>', 'who you are (default: that of the local `sluice up`)').env('SLUICE_TOKEN'),
];

/** A path, since everybody on a machine can read the command lines of its processes. */
export const secretOption = (name: string, about: string): Option => new Option(`${name} <path>`, about);
