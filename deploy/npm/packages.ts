import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '../..');

/** The packages that others install, each after those that it depends on. */
export const PACKAGES = [
  'shared/protocol',
  'shared/core',
  'shared/bus',
  'shared/lifecycle',
  'shared/runtime',
  'shared/simulator',
  'shared/client',
  'services/worker',
  'services/edge',
  'services/cli',
] as const;

export type Package = (typeof PACKAGES)[number];
