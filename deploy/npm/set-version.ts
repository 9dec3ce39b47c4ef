/**
 * Gives every workspace the version of the root, lets each ask for exactly that of the others, and writes it where the
 * services know it from. `npm version 0.2.0` runs this before its commit.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const manifestSchema = z.record(z.string(), z.json());
type Manifest = z.infer<typeof manifestSchema>;

const read = (path: string): Manifest => manifestSchema.parse(JSON.parse(readFileSync(path, 'utf8')));

const withVersion = (manifest: Manifest, version: string): Manifest =>
  Object.fromEntries(
    Object.entries(manifest).map(([key, value]) => {
      if (key === 'version') return [key, version];
      if (!/^(dev)?dependencies$/i.test(key)) return [key, value];
      const wanted = Object.entries(z.record(z.string(), z.string()).parse(value));
      return [
        key,
        Object.fromEntries(wanted.map(([name, at]) => [name, name.startsWith('@sluice/') ? version : at])),
      ];
    }),
  );

const root = process.cwd();
const { version } = z.object({ version: z.string() }).parse(read(join(root, 'package.json')));
for (const parent of ['shared', 'services'])
  for (const name of readdirSync(join(root, parent))) {
    const path = join(root, parent, name, 'package.json');
    writeFileSync(path, `${JSON.stringify(withVersion(read(path), version), null, 2)}\n`);
  }

const known = join(root, 'shared/runtime/src/version.ts');
writeFileSync(known, readFileSync(known, 'utf8').replace(/(?<=VERSION = ')[^']+/, version));
