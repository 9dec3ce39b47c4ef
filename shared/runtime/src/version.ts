import { createRequire } from 'node:module';
import { z } from 'zod';

/** The version of Sluice: all of its packages carry the same one. */
export const VERSION = z
  .object({ version: z.string() })
  .parse(createRequire(import.meta.url)('../package.json')).version;
