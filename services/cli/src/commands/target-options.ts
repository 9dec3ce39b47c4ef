import { Option } from 'commander';
import { secret, webUrl } from './option-values.ts';

/** Which edge and who; the rest of what decides it is in edge/target.ts. */
export const targetOptions = (): readonly Option[] => [
  new Option('--url <url>', 'address of the edge (default: $SLUICE_URL, or the local `sluice up`)').argParser(
    webUrl,
  ),
  new Option('--token <jwt>', 'who you are (default: $SLUICE_TOKEN, or the local `sluice up`)'),
];

export const secretOption = (name: string, about: string): Option =>
  new Option(`${name} <text>`, about).env('SLUICE_JWT_SECRET').argParser(secret);
