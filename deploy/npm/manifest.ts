import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { ROOT } from './packages.ts';
import type { Package } from './packages.ts';

/** The condition by which this repository runs its sources; a package has none. */
const SOURCE = 'sluice-source';

const names = z.record(z.string(), z.string());
/** What is published of a package.json. `private`, `scripts` and `devDependencies` are for this repository only. */
const manifestSchema = z.object({
  name: z.string(),
  version: z.string(),
  description: z.string(),
  license: z.string(),
  repository: z.object({ type: z.string(), url: z.string(), directory: z.string() }),
  engines: names,
  type: z.literal('module'),
  sideEffects: z.union([z.literal(false), z.array(z.string())]),
  files: z.array(z.string()),
  bin: names.optional(),
  imports: z.json().optional(),
  exports: z.json(),
  dependencies: names.optional(),
  optionalDependencies: names.optional(),
  peerDependencies: names.optional(),
  peerDependenciesMeta: z.json().optional(),
});

export type Manifest = z.infer<typeof manifestSchema>;
type Json = z.infer<ReturnType<typeof z.json>>;

const withoutSources = (value: Json): Json => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]) => (key === SOURCE ? [] : [[key, withoutSources(inner)]])),
  );
};

/** @throws ZodError that names each field which a package must say and does not */
export const manifestOf = (folder: Package): Manifest => {
  const path = join(ROOT, folder, 'package.json');
  const manifest = manifestSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  const { imports, exports } = manifest;
  return {
    ...manifest,
    ...(imports === undefined ? {} : { imports: withoutSources(imports) }),
    exports: withoutSources(exports),
  };
};
